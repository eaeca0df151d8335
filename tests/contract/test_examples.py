"""Examples of events, which are the golden messages too."""

from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import pytest
from pydantic import AwareDatetime, BaseModel, Field

from chassis.choreography.envelope import parse, type_of
from chassis.choreography.loading import load
from chassis.documents.examples import enveloped, example
from contracts.event import Event, Hold

EVENTS = load(Path(__file__).parents[2]).events


class Colour(StrEnum):
    """One of a few words."""

    RED = "red"
    BLUE = "blue"


class Box(BaseModel):
    """Something with a rule of its own."""

    width: Annotated[float, Field(gt=0, lt=1)]
    label: Annotated[str, Field(min_length=20, max_length=30)]


class Varied(Hold):
    """An event with a field of every kind."""

    boxes: Annotated[tuple[Box, ...], Field(min_length=3)]
    nearest: Box | None
    pair: tuple[int, str]
    colour: Colour
    unit: Literal["points"]
    code: Annotated[str, Field(pattern=r"^[A-Z]{2}-[0-9]$", examples=["AB-1"])]
    upper: Annotated[str, Field(pattern=r"^[A-Z]+$", min_length=4)]
    below: Annotated[int, Field(lt=-10, multiple_of=7)]
    above: Annotated[int, Field(gt=10, le=12)]
    sure: bool
    day: date
    wait: timedelta
    at: AwareDatetime
    ids: tuple[UUID, ...]


class Obscure(Hold):
    """An event whose values cannot be guessed."""

    code: Annotated[str, Field(pattern=r"^[A-Z]{2}-[0-9]$")]


@pytest.mark.parametrize("event", [*EVENTS, Varied], ids=type_of)
def test_an_example_travels_unchanged(event: type[Event]) -> None:
    """An example is an instance of its event that survives the way through a message."""
    envelope = enveloped(event)

    understood = parse([event], envelope.headers(), envelope.event.written().encode())

    assert understood == envelope
    assert envelope.event == example(event)


def test_an_example_tells_its_fields_apart() -> None:
    """Different fields have different values, and the same field has the same value in every event."""
    one = example(Varied)

    assert len({one.ids[0], one.ids[1], one.payment_id}) == len(("first", "second", "payment"))
    assert {event.saga_id for event in map(example, EVENTS) if isinstance(event, Hold)} == {one.payment_id}


def test_a_declared_example_comes_first() -> None:
    """A field that declares examples has the first of them."""
    assert example(Varied).code == "AB-1"


def test_a_field_that_cannot_be_guessed_is_named() -> None:
    """Where no value can be guessed, the error says which field needs a declared example."""
    with pytest.raises(ValueError, match=r"'code': declare one"):
        example(Obscure)
