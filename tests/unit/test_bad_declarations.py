"""A signature that cannot be read as a step is refused when it is declared."""

from typing import Annotated, Any

import pytest

from chassis.choreography.declaration import Via
from chassis.errors import DeclarationError
from tests.unit.lamps import Circuit, Dark, Lamp, Lit, Pressed, Switch, Wiring, a_service


def hears_nothing() -> Lit:
    """It could never run."""
    raise NotImplementedError


def hears_no_event(how_often: int) -> Lit:
    """A number is no event."""
    raise NotImplementedError


def hears_it_second(how_often: int, pressed: Pressed) -> Lit:
    """The event comes first."""
    raise NotImplementedError


def says_nothing(pressed: Pressed) -> None:
    """Nobody would know."""


def says_no_event(pressed: Pressed) -> Lamp:
    """A row is no event."""
    raise NotImplementedError


def has_no_annotations(pressed, lamp):  # type: ignore[no-untyped-def]
    """Nothing is declared."""


def needs_a_row_that_the_event_does_not_name(pressed: Pressed, circuit: Circuit) -> Lit:
    """`Pressed` has no `circuit_id` and no `circuit_ids`."""
    raise NotImplementedError


def needs_a_row_via_a_later_one(pressed: Pressed, circuit: Annotated[Circuit, Via("lamp")], lamp: Lamp) -> Lit:
    """Parameters are filled in their order."""
    raise NotImplementedError


def needs_a_row_via_one_that_does_not_know_it(
    pressed: Pressed, lamp: Lamp, switch: Annotated[Switch, Via("lamp")]
) -> Lit:
    """A lamp has no `switch_id`."""
    raise NotImplementedError


def needs_a_row_with_two_keys(pressed: Pressed, wiring: Wiring) -> Lit:
    """It has to say by which column."""
    raise NotImplementedError


UNFINDABLE = [
    needs_a_row_that_the_event_does_not_name,
    needs_a_row_via_a_later_one,
    needs_a_row_via_one_that_does_not_know_it,
    needs_a_row_with_two_keys,
]


@pytest.mark.parametrize("function", UNFINDABLE, ids=lambda function: function.__name__)
def test_row_that_cannot_be_found_is_refused(function: Any) -> None:
    """When the step is declared, and not when the first event arrives."""
    with pytest.raises(DeclarationError):
        a_service().step(function)


@pytest.mark.parametrize(
    "function",
    [hears_nothing, hears_no_event, hears_it_second, says_nothing, says_no_event, has_no_annotations],
    ids=lambda function: function.__name__,
)
def test_what_cannot_be_read_as_a_step_is_refused(function: Any) -> None:
    """A step hears an event, first of all, and says one."""
    # given
    service = a_service()
    # when, then
    with pytest.raises(DeclarationError, match=function.__name__):
        service.step(function)
    assert service.steps == []


def test_an_effect_that_is_not_async_is_refused() -> None:
    """I/O in a plain function would block the loop."""

    def ring(lit: Lit) -> Dark:
        raise NotImplementedError

    with pytest.raises(DeclarationError, match="async def"):
        a_service().effect(ring)


def test_a_name_is_declared_once() -> None:
    """Two steps of one name would share a queue."""
    # given
    service = a_service()

    def light(pressed: Pressed) -> Lit:
        raise NotImplementedError

    service.step(light)
    # when, then
    with pytest.raises(DeclarationError, match=r"lamps\.light is declared twice"):
        service.step(light)


def test_only_a_declared_step_can_be_undone() -> None:
    """A compensation of something that is no step is a mistake."""

    def light(pressed: Pressed) -> Lit:
        raise NotImplementedError

    with pytest.raises(DeclarationError, match="light is no step of lamps"):
        a_service().undo(light)(light)
