"""What is made of the figures of several processes."""

from stack.signing import SigningKey
from tests.bench.figures import Figures
from tests.bench.fleet import Fleet
from tests.bench.goals import goals
from tests.bench.report import charts
from tests.bench.rows import FREE, statements
from tests.bench.wishes import MANNERS, RIVALS, Wish

RATES = {1: (200.0, 200.0), 2: (150.0, 180.0), 4: (100.0, 120.0)}


def a_fleet() -> Fleet:
    """A run in which processes get into each other's way."""
    fleet = Fleet(waits={1: 0.030, 2: 0.033, 3: 0.045, 4: 0.300})
    for count, (hot, spread) in RATES.items():
        fleet.of(Wish.CHARGE, count).add(400.0, 1.0)
        for wish in (Wish.HOLD, Wish.CHECKOUT):
            fleet.of(wish, count).add(spread, 2.0)
            fleet.of(wish, count, is_hot=True).add(hot, 2.0)
    return fleet


def test_processes_are_compared_with_one_and_evenings_with_each_other() -> None:
    """Of two and three processes the longer wait counts, and of hot evenings the median."""
    results = [(round(goal.result, 3), goal.met) for goal in goals(Figures(fleet=a_fleet()))]

    assert results == [
        (1.5, False),
        (1.0, True),
        (0.9, True),
        (0.9, True),
        (0.833, False),
        (0.833, False),
    ]


def test_each_kind_is_a_line() -> None:
    """One hot evening is dashed beside the many."""
    lines = charts(Figures(fleet=a_fleet()))["replicas"].lines

    assert [(line.name, line.dashed) for line in lines] == [
        ("charge", False),
        ("hold, many evenings", False),
        ("hold, one hot evening", True),
        ("checkout, many evenings", False),
        ("checkout, one hot evening", True),
    ]
    assert lines[-1].points == [(1.0, 200.0), (2.0, 150.0), (4.0, 100.0)]


def test_a_fan_asks_for_the_seat_of_the_same_number() -> None:
    """Whoever asks for a hold needs nothing but a seat."""
    request = MANNERS[Wish.HOLD].request(12_345, SigningKey.new().text, "wait=10").decode()

    assert request.startswith("POST /reservations HTTP/1.1\r\n")
    assert "\r\nPrefer: wait=10\r\n" in request
    assert request.endswith('\r\n\r\n{"seat_ids":[12345]}')
    assert statements(FREE).keys() == {"seat"}


def test_rivals_ask_for_one_seat() -> None:
    """In a rush, so many fans in a row want the same."""
    key, rush = SigningKey.new().text, MANNERS[Wish.RUSH]
    wanted = [rush.request(number, key).rpartition(b"\r\n")[2] for number in range(100, 100 + 2 * RIVALS)]

    assert wanted == [b'{"seat_ids":[100]}'] * RIVALS + [b'{"seat_ids":[150]}'] * RIVALS
