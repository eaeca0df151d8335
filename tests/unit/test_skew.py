"""How far the clocks of others are ahead is read off their messages."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.run.skew import REMEMBERED_SECONDS, Skew
from contracts.event import TOLERANCE

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
FAR = TOLERANCE + timedelta(seconds=1)


class Clock:
    """Time that passes when it is told to."""

    seconds = 0.0

    def __call__(self) -> float:
        """The seconds until now."""
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    """The time of a test."""
    return Clock()


@pytest.fixture
def skew(clock: Clock) -> Skew:
    """Nothing is known yet."""
    return Skew(clock)


def test_message_of_the_future_tells_of_a_clock_that_is_ahead(skew: Skew) -> None:
    """It says whose, and by how much at the least."""
    skew.note("seat", NOON + FAR, NOON)
    assert [alarm.partition(" s ")[0] for alarm in skew.alarms] == ["the clock of seat is ahead of this one by 6"]


@pytest.mark.parametrize("age", [-TOLERANCE, timedelta(), timedelta(days=1)], ids=str)
def test_what_is_tolerated_or_late_is_no_alarm(skew: Skew, age: timedelta) -> None:
    """A message may have waited for days in a queue, and clocks are never quite the same."""
    skew.note("seat", NOON - age, NOON)
    assert not skew.alarms


def test_late_message_does_not_hide_an_early_one(skew: Skew) -> None:
    """The furthest that was seen counts."""
    skew.note("seat", NOON + FAR, NOON)
    skew.note("seat", NOON - FAR, NOON)
    assert skew.alarms


def test_clock_that_was_set_right_is_forgotten(skew: Skew, clock: Clock) -> None:
    """The alarm ends when nothing of the future was heard for a while, whether or not anything else was."""
    skew.note("seat", NOON + FAR, NOON)
    clock.seconds += REMEMBERED_SECONDS
    assert not skew.alarms
    skew.note("seat", NOON, NOON)
    assert not skew.alarms


def test_alarm_stays_while_the_clock_is_ahead(skew: Skew, clock: Clock) -> None:
    """It names the furthest that was seen, and every message of the future keeps it up."""
    skew.note("seat", NOON + 2 * FAR, NOON)
    for _ in range(3):
        clock.seconds += REMEMBERED_SECONDS / 2
        skew.note("seat", NOON + FAR, NOON)
    assert [alarm.partition(" s ")[0] for alarm in skew.alarms] == ["the clock of seat is ahead of this one by 12"]
