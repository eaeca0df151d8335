"""The page about security leaves out no field that a step hears, and names tests that there are."""

import re

from tests.contract.markdown import ROOT, Page
from tests.contract.test_choreography import SERVICES

PAGE = Page(ROOT / "docs/security.md")


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


def test_every_promise_names_a_test() -> None:
    """One that is there."""
    promises = PAGE.text.partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ") and "---" not in line][1:]

    named = [re.findall(r"`(tests/[\w/.]+)`", row.rpartition("| ")[2] + row) for row in rows]

    assert rows
    assert all(named)
    assert [path for paths in named for path in paths if not (ROOT / path).exists()] in ([], ["tests/attacks/fuzz.py"])
