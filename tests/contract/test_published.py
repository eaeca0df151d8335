"""What is published is current, stays readable for ever, and does not change under those who read it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import create_model

from chassis.choreography.declaration import Service
from chassis.choreography.envelope import Envelope, parse, type_of
from chassis.choreography.graph import Choreography, EventType
from chassis.choreography.loading import load
from chassis.documents.examples import enveloped
from chassis.documents.published import DOCS, FOLDER, publish, refuse_changes, stale
from chassis.errors import NewerVersionError, PublishedChangedError
from contracts import checkout

ROOT = Path(__file__).parents[2]
GRAPH = load(ROOT)
GOLDEN = sorted(path for path in (ROOT / FOLDER / "events").glob("*.json") if ".schema." not in path.name)


def message(ce_type: str, body: object) -> tuple[dict[str, str], bytes]:
    """Headers and body of a message as some producer sent it."""
    headers = enveloped(checkout.Completed).headers() | {"ce-type": ce_type}
    return headers, json.dumps(body).encode()


def saying(event: EventType) -> Choreography:
    """A choreography in which one start says this event."""
    service = Service("payment")
    start = next(step for step in GRAPH.steps if step.queue == "payment.request")
    service.steps = [replace(start, says=(event,))]
    return Choreography((service,))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what is published."""
    for folder in (FOLDER, DOCS):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_the_published_files_are_current() -> None:
    """Every derived file is what the declarations say now."""
    assert stale(GRAPH, ROOT) == []


def test_a_changed_file_is_stale_and_published_anew(copy: Path) -> None:
    """A file that somebody edited is named, and written again."""
    path = FOLDER / "topology.json"
    (copy / path).write_text("{}")

    assert stale(GRAPH, copy) == [path]
    assert publish(GRAPH, copy) == [path]
    assert stale(GRAPH, copy) == []


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_golden_message_of_every_version_still_parses(path: Path) -> None:
    """A message of any version that was ever published is understood by the code of today."""
    golden = json.loads(path.read_text())
    headers, body = message(golden["type"], golden["body"])

    assert isinstance(parse(GRAPH.events, headers, body), Envelope)


def test_every_event_has_a_golden_message_of_its_current_version() -> None:
    """No event is published without its golden message."""
    assert {type_of(event) for event in GRAPH.events} <= {path.stem for path in GOLDEN}


def test_every_older_version_has_an_upcaster() -> None:
    """What can still lie in a queue can be lifted."""
    for event in GRAPH.events:
        assert sorted(event.upcasters) == list(range(1, event.version)), event.name


def test_an_old_completed_checkout_is_lifted_with_no_seats() -> None:
    """Version 1 of checkout.completed did not name the seats, so a lifted one names none."""
    golden = json.loads((ROOT / FOLDER / "events/checkout.completed.v1.json").read_text())
    headers, body = message(golden["type"], golden["body"])

    lifted = parse([checkout.Completed], headers, body).event

    assert isinstance(lifted, checkout.Completed)
    assert lifted.seat_ids == ()
    assert lifted.amount == golden["body"]["amount"]


def test_a_version_from_the_future_is_for_newer_code() -> None:
    """A newer version than the code knows is not guessed at; the message waits."""
    golden = json.loads((ROOT / FOLDER / "events/checkout.completed.v2.json").read_text())
    headers, body = message("checkout.completed.v3", golden["body"])

    with pytest.raises(NewerVersionError, match=r"known up to version 2, not 3"):
        parse([checkout.Completed], headers, body)


def test_a_change_of_a_published_schema_asks_for_a_new_version(copy: Path) -> None:
    """Whoever changes a published event is told to make the next version of it."""
    changed: EventType = create_model("Requested", __base__=checkout.Requested, gift=(bool, ...))
    changed.name, changed.version, changed.service = "checkout.requested", 1, "payment"

    with pytest.raises(PublishedChangedError, match=r"Make it version 2 .* @upcaster\(Requested, version=1\)"):
        refuse_changes(saying(changed), copy)


def test_a_new_description_is_no_change(copy: Path) -> None:
    """Words for people may change at any time."""
    path = copy / FOLDER / "events/point.spent.v1.schema.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"description": "In other words."}))

    refuse_changes(GRAPH, copy)
