"""What consumers rely on is written down, is what they really read, and is what producers keep."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError, create_model

from chassis.choreography.graph import EventType
from chassis.choreography.loading import load
from chassis.documents.examples import example
from tests.contract.reliance import relied_on

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "contracts/examples"
GRAPH = load(ROOT)
EVENTS = {event.name: event for event in GRAPH.events}
WRITTEN = sorted(EXAMPLES.glob("*/*.json"))


def heard() -> Iterator[tuple[str, EventType]]:
    """Each service with each event that it hears."""
    for service in GRAPH.services:
        for event in dict.fromkeys(event for step in service.steps for event in step.hears):
            yield service.name, event


def needs(service: str, event: EventType) -> set[str]:
    """The fields of an event that the steps of a service read."""
    steps = (step for step in GRAPH.hearing(event) if step.service == service)
    return {field for step in steps for field in relied_on(step, event)}


def kept(event: EventType, relied: dict[str, Any]) -> list[str]:
    """Which of the relied-on fields a producer does not promise any more, and why."""
    broken = []
    for field, value in relied.items():
        known = event.model_fields.get(field)
        if known is None or not known.is_required():
            broken.append(f"{field} is not always there")
        elif not _accepts(event, field, value):
            broken.append(f"{field} is no longer what it was")
    return broken


def changed(event: EventType, **fields: Any) -> EventType:
    """The event as it would be with other fields."""
    model: EventType = create_model(event.__name__, __base__=event, **fields)
    return model


def _accepts(event: EventType, field: str, value: Any) -> bool:
    body = json.loads(example(event).model_dump_json()) | {field: value}
    try:
        event.model_validate_json(json.dumps(body))
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(("service", "event"), list(heard()), ids=lambda value: getattr(value, "name", value))
def test_a_consumer_writes_down_what_it_relies_on(service: str, event: EventType) -> None:
    """The example of a consumer has exactly the fields that its steps read."""
    path = EXAMPLES / service / f"{event.name}.json"

    assert path.exists(), f"write {path.relative_to(ROOT)} with the fields {sorted(needs(service, event))}"
    assert set(json.loads(path.read_text())) == needs(service, event)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_producer_keeps_what_a_consumer_relies_on(path: Path) -> None:
    """Every field that a consumer relies on is always there, and takes the value that the consumer expects."""
    assert path.stem in EVENTS, f"{path.parent.name} relies on {path.stem}, which nobody says"
    assert kept(EVENTS[path.stem], json.loads(path.read_text())) == []


def test_a_field_that_a_producer_drops_breaks_its_consumer() -> None:
    """A relied-on field that is gone, optional now, or of another type is noticed."""
    spent = EVENTS["point.spent"]
    relied = json.loads((EXAMPLES / "reservation/point.spent.json").read_text())
    optional = changed(spent, amount=(int | None, None))
    other = changed(spent, amount=(bool, ...))

    assert kept(spent, relied | {"gone": 1}) == ["gone is not always there"]
    assert kept(optional, relied) == ["amount is not always there"]
    assert kept(other, relied) == ["amount is no longer what it was"]
