"""Where a message goes that has failed."""

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from chassis.broker.retry import after
from chassis.choreography.step import Step
from chassis.errors import (
    ContradictedError,
    ForgedMessageError,
    MalformedMessageError,
    MissingRowError,
    NewerVersionError,
)
from tests.unit.lamps import Broken, Dark, Lit, Pressed, a_service

LATER = RuntimeError("not yet")
TOO_LONG = asyncpg.StringDataRightTruncationError("value too long for type character varying(64)")
DELAYS = ["1s", "5s", "30s", "2m"]


def can_refuse() -> Step:
    """A step on the way out."""
    service = a_service()

    def light(pressed: Pressed) -> Lit | Broken:
        raise NotImplementedError

    return service.declared(service.step(light))


def cannot_refuse() -> Step:
    """A step that has to succeed in the end."""
    service = a_service()

    def darken(lost: Broken) -> Dark | None: ...

    return service.declared(service.step(darken))


@pytest.mark.parametrize("step", [can_refuse(), cannot_refuse()], ids=["can refuse", "cannot refuse"])
def test_the_delay_grows_from_attempt_to_attempt(step: Step) -> None:
    """Each delay is used once, the shortest first."""
    assert [after(step, attempts, LATER) for attempts in range(1, 5)] == DELAYS


@pytest.mark.parametrize("attempts", [5, 6, 100])
def test_a_step_that_can_refuse_is_given_up(attempts: int) -> None:
    """After all delays a person has to look at the message."""
    assert after(can_refuse(), attempts, LATER) == "parked"


@pytest.mark.parametrize("attempts", [5, 6, 100])
def test_a_step_that_cannot_refuse_is_never_given_up(attempts: int) -> None:
    """What has to succeed goes on at the longest delay."""
    assert after(cannot_refuse(), attempts, LATER) == DELAYS[-1]


def test_what_misses_its_row_is_given_up() -> None:
    """The row was there before anybody could have said this: whatever comes of it, it must not go on for ever."""
    missing = MissingRowError("no attempt")
    assert [after(cannot_refuse(), attempts, missing) for attempts in range(1, 6)] == [*DELAYS, "parked"]


@pytest.mark.parametrize("error", [ForgedMessageError("by somebody else"), ContradictedError("it is paid")])
@pytest.mark.parametrize("step", [can_refuse(), cannot_refuse()], ids=["can refuse", "cannot refuse"])
def test_what_is_not_believed_is_parked_at_once(step: Step, error: Exception) -> None:
    """It does not get truer by coming again."""
    assert after(step, 1, error) == "parked"


@pytest.mark.parametrize("step", [can_refuse(), cannot_refuse()], ids=["can refuse", "cannot refuse"])
def test_what_nobody_understands_is_parked_at_once(step: Step) -> None:
    """The message is the same at every attempt."""
    assert after(step, 1, MalformedMessageError("no JSON")) == "parked"


@pytest.mark.parametrize("step", [can_refuse(), cannot_refuse()], ids=["can refuse", "cannot refuse"])
def test_what_newer_code_understands_waits_for_it_for_a_day(step: Step) -> None:
    """An upgrade may take a while; what is still unknown after that is for a person."""
    newer = NewerVersionError("known up to version 1")
    assert [after(step, attempts, newer) for attempts in (1, 4, 5, 100)] == ["1s", "2m", "2m", "2m"]
    assert after(step, 720, newer) == "parked"


@pytest.mark.parametrize(
    "error",
    [TOO_LONG, DBAPIError("INSERT", None, TOO_LONG), NotImplementedError("write this step")],
    ids=["too long", "too long, says SQLAlchemy", "not written"],
)
def test_what_cannot_get_better_is_parked_at_once_unless_it_must_succeed(error: Exception) -> None:
    """A person has to change the code or the data; a compensation waits for them in the queue."""
    assert after(can_refuse(), 1, error) == "parked"
    assert after(cannot_refuse(), 1, error) == DELAYS[0]


@pytest.mark.parametrize("error", [LATER, ValueError("a defect"), asyncpg.UniqueViolationError("a race")])
def test_what_may_get_better_is_tried_again(error: Exception) -> None:
    """The missing row may come, the race may be won, the code may be mended meanwhile."""
    assert after(can_refuse(), 1, error) == DELAYS[0]
