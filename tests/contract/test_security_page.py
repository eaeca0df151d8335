"""The page about security leaves out no field that a step hears, and names tests that there are."""

import re

from chassis.choreography.graph import Choreography, EventType
from tests.contract.markdown import ROOT, Page
from tests.contract.reliance import looked_at
from tests.contract.test_choreography import SERVICES

PAGE = Page(ROOT / "docs/security.md")
GRAPH = Choreography(SERVICES)


def needed(event: EventType, *before: EventType) -> bool:
    """Whether a step that hears the event, or one after it, goes by its user."""
    hearing = [] if event in before else GRAPH.hearing(event)
    return any(
        "user_id" in looked_at(step, event) or any(needed(said, event, *before) for said in step.says)
        for step in hearing
    )


def test_every_field_that_is_heard_has_its_row() -> None:
    """What a lie can do is said of each."""
    told = re.findall(r"^\| `(\w+\.\w+)` \| `(\w+)` \| .+ \| .+ \|$", PAGE.text, re.MULTILINE)
    heard = {
        (step.queue, field)
        for service in SERVICES
        for step in service.listening
        for event in step.hears
        for field in event.model_fields
    }

    assert set(told) == heard
    assert len(told) == len(heard)


def test_a_user_is_named_where_a_step_needs_to_know() -> None:
    """The page says which events name one although nobody needs it."""
    named = PAGE.text.partition("The ends of sagas name")[2].partition("They\nare published")[0]

    assert {event.name for event in GRAPH.events if not needed(event)} == set(re.findall(r"`([a-z.-]+)`", named))


def test_every_promise_names_a_test() -> None:
    """One that is there."""
    promises = PAGE.text.partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ") and "---" not in line][1:]

    named = [re.findall(r"`(tests/[\w/.]+)`", row.rpartition("| ")[2] + row) for row in rows]

    assert rows
    assert all(named)
    assert [path for paths in named for path in paths if not (ROOT / path).exists()] in ([], ["tests/attacks/fuzz.py"])
