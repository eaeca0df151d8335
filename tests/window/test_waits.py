"""A wait is one sentence that says what to look at."""

from datetime import timedelta

import pytest

from tests.window.sagas import BEGUN, checkout, parked, rests
from tests.window.telling import CHOREOGRAPHY, told
from window.looks import StepNumbers
from window.story import Wait
from window.waits import sentence, spoken

PAID = checkout()[:4]
NOW = PAID[3].occurred_at + timedelta(seconds=14)


def numbers(backlog: int | None = 0, consumers: int | None = 1) -> StepNumbers:
    """What is known of a step."""
    return StepNumbers(rate=0, backlog=backlog, consumers=consumers, retrying=0, parked=0, milliseconds=None)


def wait(*put_aside: int, is_parked: bool = False) -> Wait:
    """The wait of a checkout for its seats; the step has failed so many seconds after it heard."""
    failed = [
        rests(PAID[3], "seat.reserve", attempt=number, delay="30s", error=f"Busy: {number}", after=after)
        for number, after in enumerate(put_aside, start=1)
    ]
    last = [parked(PAID[3], "seat.reserve", attempt=9, after=12)] if is_parked else []
    return told([*PAID, *failed, *last]).waits[0]


def test_a_wait_says_who_has_not_answered_what_since_when() -> None:
    """Without numbers there is no more to say."""
    assert sentence(wait(), None, NOW) == "seat.reserve has not answered payment.paid for 14 s"


def test_a_wait_says_what_the_queue_holds_and_that_nobody_takes_it() -> None:
    """The most frequent reason can be read at once."""
    assert sentence(wait(), numbers(312, 0), NOW) == (
        "seat.reserve has not answered payment.paid for 14 s; its queue holds 312 messages and has no consumer"
    )


@pytest.mark.parametrize(
    ("backlog", "consumers", "said"),
    [
        (0, 1, "its queue holds no message and has 1 consumer"),
        (1, 2, "its queue holds 1 message and has 2 consumers"),
        (5, None, "its queue holds 5 messages"),
        (None, 0, "its queue has no consumer"),
    ],
)
def test_a_wait_says_what_is_known_of_the_queue(backlog: int | None, consumers: int | None, said: str) -> None:
    """Singular, plural, and what the broker does not tell."""
    assert sentence(wait(), numbers(backlog, consumers), NOW).endswith(f"; {said}")


def test_a_wait_says_nothing_of_a_queue_that_is_not_known() -> None:
    """A broker that is down tells nothing."""
    assert "queue" not in sentence(wait(), numbers(None, None), NOW)


def test_a_wait_says_what_failed_and_when_it_comes_back() -> None:
    """How often, why the last time, and how long it still rests."""
    said = sentence(wait(1, 2, 3), None, NOW, CHOREOGRAPHY.delays)
    assert said.endswith("; failed 3 times, the last with Busy: 3; comes back in 19 s")


def test_a_wait_that_failed_once_says_once() -> None:
    """One is not the last of many."""
    assert "; failed once with Busy: 1" in sentence(wait(1), None, NOW)


def test_a_rest_that_is_over_is_not_mentioned() -> None:
    """What has come back comes back no more."""
    assert "comes back" not in sentence(wait(1), None, NOW + timedelta(minutes=1), CHOREOGRAPHY.delays)


def test_a_parked_message_needs_a_person() -> None:
    """It is in none of the step's queues, so they are not mentioned."""
    said = sentence(wait(1, is_parked=True), numbers(3, 1), NOW, CHOREOGRAPHY.delays)
    assert said.endswith("; is parked: needs a person")
    assert "failed 2 times" in said
    assert "queue" not in said


def test_an_error_obeys_nobody_and_ends() -> None:
    """What a terminal might obey is escaped, and a long error is cut."""
    failed = rests(PAID[3], "seat.reserve", error="\x1b[31mred\n" + "x" * 1000)
    said = sentence(told([*PAID, failed]).waits[0], None, NOW)
    assert "\\x1b[31mred\\n" in said
    assert said.isprintable()
    assert len(said) < 400


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "less than 1 s"),
        (0.4, "less than 1 s"),
        (14.9, "14 s"),
        (179, "179 s"),
        (180, "3 min"),
        (10_799, "179 min"),
        (10_800, "3 h"),
        (259_200, "3 d"),
    ],
)
def test_times_are_said_in_whole_units(seconds: float, said: str) -> None:
    """Nobody reads more digits."""
    assert spoken(timedelta(seconds=seconds)) == said


def test_a_clock_ahead_makes_no_negative_time() -> None:
    """A wait that begins after now has just begun."""
    assert "for less than 1 s" in sentence(wait(), None, BEGUN - timedelta(hours=1))
