"""A signature that cannot be read as a step is refused when it is declared."""

from typing import Any

import pytest

from chassis.step import DeclarationError
from tests.unit.lamps import Dark, Lamp, Lit, Pressed, a_service


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
