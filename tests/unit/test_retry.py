"""Where a message goes that has failed."""

import pytest

from chassis.broker.retry import after
from chassis.choreography.step import Step
from tests.unit.lamps import Broken, Dark, Lit, Pressed, a_service

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
    assert [after(step, attempts) for attempts in range(1, 5)] == DELAYS


@pytest.mark.parametrize("attempts", [5, 6, 100])
def test_a_step_that_can_refuse_is_given_up(attempts: int) -> None:
    """After all delays a person has to look at the message."""
    assert after(can_refuse(), attempts) == "parked"


@pytest.mark.parametrize("attempts", [5, 6, 100])
def test_a_step_that_cannot_refuse_is_never_given_up(attempts: int) -> None:
    """What has to succeed goes on at the longest delay."""
    assert after(cannot_refuse(), attempts) == DELAYS[-1]
