"""The rhythm of whoever works piece by piece: rests grow with the pieces, and whoever is idle lets nobody wait."""

import asyncio

import pytest

from chassis.pace import LONGEST, SHARE, Pace
from tests.unit.test_group_commit import Doubling, grouped


class Clock:
    """Time that passes when somebody sleeps, or when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """The time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Sleep at once."""
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that a pace looks at."""
    clock = Clock()
    monkeypatch.setattr("chassis.pace.time.monotonic", clock.monotonic)
    monkeypatch.setattr("chassis.pace.asyncio.sleep", clock.sleep)
    return clock


@pytest.mark.parametrize(("took", "rest"), [(0.0, 0.0), (0.004, SHARE * 0.004), (3.0, LONGEST)])
async def test_rest_is_as_long_as_the_piece_before_it_asks_for(clock: Clock, took: float, rest: float) -> None:
    """A multiple of its time; one that took very long waited for something else than the machine."""
    pace = Pace(full=5)

    with pace.piece():
        clock.now += took
    await pace.rest(waiting=4)

    assert clock.slept == [pytest.approx(rest)]


async def test_full_piece_that_waits_is_done_at_once(clock: Clock) -> None:
    """Nothing more would fit in it."""
    pace = Pace(full=5)

    with pace.piece():
        clock.now += 1
    await pace.rest(waiting=5)

    assert clock.slept == []


async def test_requests_that_come_during_a_rest_share_the_next_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one has waited for nobody; those after it are done together when the rest is over."""
    begun, over = asyncio.Event(), asyncio.Event()

    async def rest(_pace: Pace, _waiting: int) -> None:
        begun.set()
        await over.wait()

    monkeypatch.setattr(Pace, "rest", rest)
    work = Doubling()
    group = grouped(work)

    first = await group.run(1)
    await begun.wait()
    later = [asyncio.create_task(group.run(number)) for number in (2, 3, 4)]
    await asyncio.sleep(0)  # each of them asks
    over.set()

    assert (first, await asyncio.gather(*later)) == (2, [4, 6, 8])
    assert work.groups == [[1], [2, 3, 4]]
