"""The AsyncAPI document of the choreography."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from pydantic import BaseModel

from chassis.choreography.declaration import Service
from chassis.choreography.envelope import parse, type_of
from chassis.choreography.graph import Choreography
from chassis.choreography.loading import load
from chassis.choreography.step import Step
from chassis.documents import asyncapi
from contracts.event import Event, Hold, upcaster

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
OFFICIAL = jsonschema_rs.validator_for(json.loads(Path(__file__).with_name("asyncapi-3.0.0.schema.json").read_text()))
WHOLE = load(ROOT)
GRAPHS = {"all services": WHOLE} | {service.name: Choreography((service,)) for service in WHOLE.services}

whole_and_each = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS.keys())
each_event = pytest.mark.parametrize("event", WHOLE.events, ids=type_of)


def dangling(document: Json) -> list[str]:
    """The references that lead nowhere."""
    return [reference for reference in references(document) if resolve(document, reference) is None]


def references(part: object) -> Iterator[str]:
    """Every `$ref`."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def resolve(document: Json, reference: str) -> Any:
    """What a reference within the document leads to."""
    part: Any = document
    for key in reference.removeprefix("#/").split("/"):
        part = part.get(key) if isinstance(part, dict) else None
    return part


def validator(document: Json, place: str) -> jsonschema_rs.Validator:
    """Validates against a schema at a place of the document, formats included."""
    schema = {"$ref": f"#{place}", "components": document["components"]}
    return jsonschema_rs.validator_for(schema, validate_formats=True)


@whole_and_each
def test_the_official_schema_accepts_the_document(graph: Choreography) -> None:
    """A document is valid AsyncAPI 3.0."""
    errors = [f"{error.instance_path}: {error.message}" for error in OFFICIAL.iter_errors(asyncapi.document(graph))]

    assert errors == []


@whole_and_each
def test_every_reference_leads_somewhere(graph: Choreography) -> None:
    """A document is complete in itself."""
    assert dangling(asyncapi.document(graph)) == []


def two_kinds_of_channel(document: Json) -> None:
    """Let a queue have an exchange."""
    next(iter(document["channels"].values()))["bindings"]["amqp"]["queue"] = {"name": "both"}


BREAKS: dict[str, Callable[[Json], Any]] = {
    "untitled": lambda document: document["info"].pop("title"),
    "of another version": lambda document: document.update(asyncapi="2.6.0"),
    "an action that there is not": lambda document: next(iter(document["operations"].values())).update(action="say"),
    "no channel": lambda document: next(iter(document["operations"].values())).pop("channel"),
    "a queue on an exchange": two_kinds_of_channel,
    "a misspelt field": lambda document: next(iter(document["components"]["messages"].values())).update(Headers={}),
    "no place for the correlation id": lambda document: document["components"]["correlationIds"]["saga"].update(
        location="ce-correlationid"
    ),
}


@pytest.mark.parametrize("damage", BREAKS.values(), ids=BREAKS.keys())
def test_the_official_schema_refuses_a_broken_document(damage: Callable[[Json], Any]) -> None:
    """The validation notices what is wrong."""
    document = deepcopy(asyncapi.document(WHOLE))
    damage(document)

    assert not OFFICIAL.is_valid(document)


def test_a_lost_schema_is_noticed() -> None:
    """A reference that leads nowhere is found."""
    document = deepcopy(asyncapi.document(WHOLE))
    lost = type_of(WHOLE.events[0])
    del document["components"]["schemas"][lost]

    assert set(dangling(document)) == {f"#/components/schemas/{lost}"}


@whole_and_each
def test_operations_are_what_steps_say_and_hear(graph: Choreography) -> None:
    """Each event that a step says or hears is the message of one operation, and there are no others."""
    document = asyncapi.document(graph)

    described = {
        (operation["x-step"]["name"], operation["action"], reference["$ref"].rpartition("/")[2])
        for operation in document["operations"].values()
        for reference in operation["messages"]
    }

    heard = {(step.queue, "receive", type_of(event)) for step in graph.steps for event in step.hears}
    said = {(step.queue, "send", type_of(event)) for step in graph.steps for event in step.says}
    assert described == heard | said
    assert set(document["components"]["messages"]) == {type_of(event) for event in graph.events}


@pytest.mark.parametrize("step", [step for step in WHOLE.steps if step.hears], ids=lambda step: step.queue)
def test_a_queue_is_bound_to_the_channels_of_what_its_step_hears(step: Step) -> None:
    """What is received from a queue is what is sent to the exchanges that it is bound to."""
    channels = asyncapi.document(WHOLE)["channels"]
    queue = channels[f"queue.{step.queue}"]

    for event in step.hears:
        exchange = channels[event.name]["bindings"]["amqp"]["exchange"]["name"]
        assert {"exchange": exchange, "routingKey": channels[event.name]["address"]} in queue["x-bound-to"]
    assert set(queue["messages"]) == {type_of(event) for event in step.hears}


@each_event
def test_an_example_is_valid_and_understood(event: type[Event]) -> None:
    """The example of a message satisfies its schemas, and the service that hears it understands it."""
    document = asyncapi.document(WHOLE)
    [sample] = document["components"]["messages"][type_of(event)]["examples"]

    validator(document, f"/components/schemas/{type_of(event)}").validate(sample["payload"])
    validator(document, f"/components/messages/{type_of(event)}/headers").validate(sample["headers"])
    understood = parse([event], sample["headers"], json.dumps(sample["payload"]).encode())
    assert understood.event.model_dump(mode="json") == sample["payload"]


@each_event
def test_headers_and_payload_of_another_event_are_refused(event: type[Event]) -> None:
    """A message schema holds for its own event only."""
    document = asyncapi.document(WHOLE)
    other = next(one for one in WHOLE.events if one.service != event.service)
    sample = document["components"]["messages"][type_of(other)]["examples"][0]

    assert not validator(document, f"/components/messages/{type_of(event)}/headers").is_valid(sample["headers"])
    assert not validator(document, f"/components/schemas/{type_of(event)}").is_valid({"unknown": 1})


def test_headers_are_those_that_messages_carry() -> None:
    """The schema names exactly the headers of an envelope."""
    sample = asyncapi.document(WHOLE)["components"]["messages"][type_of(WHOLE.events[0])]["examples"][0]

    assert set(asyncapi.HEADERS["properties"]) == set(sample["headers"])


def test_yaml_says_the_same_as_the_document() -> None:
    """The YAML holds everything, written out where it stands, and reads the same in every process."""
    document = asyncapi.document(WHOLE)

    written = asyncapi.to_yaml(document)

    assert yaml.safe_load(written) == document
    assert not re.search(r"[&*]id\d+", written)
    program = (
        "import sys; from pathlib import Path; from chassis.documents import asyncapi; "
        "from chassis.choreography.loading import load; "
        "sys.stdout.write(asyncapi.to_yaml(asyncapi.document(load(Path()))))"
    )
    seeded = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONIOENCODING": "utf-8"}
    again = subprocess.run(  # noqa: S603  # this interpreter, a constant program
        [sys.executable, "-c", program], cwd=ROOT, env=seeded, check=True, capture_output=True, encoding="utf-8"
    )
    assert again.stdout == written


class Part(BaseModel):
    """A part of a thing."""

    size: int


class Elsewhere:
    """Where another model has the same name."""

    class Part(BaseModel):
        """A part of another thing."""

        weight: int


class Made(Hold, service="workshop"):
    """A thing was made."""

    parts: tuple[Part, ...]


class Taken(Hold, service="workshop", version=2):
    """A thing was taken."""

    parts: tuple[Elsewhere.Part, ...]


@upcaster(Taken, version=1)
def weigh(body: Json) -> Json:
    """Once a thing had one part."""
    return body | {"parts": [body["part"]]}


def take(made: Made) -> Taken:
    """Take a thing."""
    raise NotImplementedError


def test_models_of_one_name_stay_apart() -> None:
    """Where two events use different models of the same name, each keeps its own."""
    workshop = Service("workshop")
    workshop.step(take)

    document = asyncapi.document(Choreography((workshop,)))

    assert OFFICIAL.is_valid(document)
    assert dangling(document) == []
    for event in (Made, Taken):
        [sample] = document["components"]["messages"][type_of(event)]["examples"]
        validator(document, f"/components/schemas/{type_of(event)}").validate(sample["payload"])


def test_a_message_says_which_versions_are_understood() -> None:
    """A message is of the current version; the older ones that can be lifted to it are named."""
    workshop = Service("workshop")
    workshop.step(take)

    messages = asyncapi.document(Choreography((workshop,)))["components"]["messages"]

    assert messages[f"{Taken.name}.v2"]["x-event"]["understood"] == [1, 2]
    assert messages[f"{Made.name}.v1"]["x-event"]["understood"] == [1]
