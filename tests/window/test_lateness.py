"""When a saga should have ended, and whether it did."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.window.sagas import BEGUN, checkout, hold
from tests.window.telling import told

ENDED_WELL = checkout()
FAILED = checkout(fails_at="seat.reserve")


@pytest.mark.parametrize(("after", "is_late"), [(29, False), (39, False), (41, True)])
def test_a_saga_is_late_some_time_after_its_deadline(after: int, is_late: bool) -> None:
    """The clocks have their grace first."""
    assert told(ENDED_WELL[:3], BEGUN + timedelta(seconds=after)).is_late is is_late


def test_a_saga_that_ended_in_time_is_never_late() -> None:
    """Time goes on after the end."""
    assert not told(ENDED_WELL, BEGUN + timedelta(days=1)).is_late


def test_a_saga_that_ended_too_late_stays_late() -> None:
    """Whoever looks for what was late finds it after the end as well."""
    end = replace(ENDED_WELL[-1], occurred_at=BEGUN + timedelta(minutes=3))
    assert told([*ENDED_WELL[:-1], end], BEGUN + timedelta(days=1)).is_late


def test_a_lapsed_hold_is_late_against_its_lapse() -> None:
    """What the clock began long after the deadline has its own time."""
    messages = hold(lapses=True)
    lapsed_at = messages[4].occurred_at
    assert not told(messages, lapsed_at + timedelta(minutes=1)).is_late
    assert not told(messages[:5], lapsed_at + timedelta(seconds=5)).is_late
    assert told(messages[:5], lapsed_at + timedelta(seconds=11)).is_late


@pytest.mark.parametrize(
    "body", ["", "no json", "[1]", "null", '{"deadline": 3}', '{"deadline": "2026-01-01T00:00:00"}']
)
def test_a_body_without_a_deadline_has_none(body: str) -> None:
    """Whatever a body says instead."""
    assert told([replace(ENDED_WELL[0], body=body)]).deadline is None


def test_a_body_nested_without_end_is_no_body() -> None:
    """The reader of JSON gives up, and the story does not."""
    assert told([replace(ENDED_WELL[0], body="[" * 60_000)]).deadline is None


def test_the_last_moment_of_all_is_a_deadline() -> None:
    """Nothing is added to a deadline that cannot be added to."""
    message = replace(ENDED_WELL[0], body='{"deadline": "9999-12-31T23:59:59.999999+00:00"}')
    assert not told([message]).is_late
