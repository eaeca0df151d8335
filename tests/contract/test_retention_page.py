"""The page about retention names every table, and how long its rows live when nobody sets anything."""

import re
from typing import Any

import pytest

from chassis.documents.portrait import portrait
from tests.contract.markdown import ROOT, Page
from tests.contract.test_choreography import SERVICES as CHOREOGRAPHY
from tests.contract.test_migrations import SERVICES

PAGE = Page(ROOT / "docs/retention.md")
ROWS = [line.split("|")[1:-1] for line in PAGE.text.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_is_named(service: str) -> None:
    """Each table of a service has its row, with what it costs."""
    tables: set[str] = {name for metadata in SERVICES[service] for name in metadata.tables}
    named = {name for name, *_, cost in ROWS for name in re.findall(r"`(\w+)`", name) if cost.strip()}

    assert tables - named == set()


def test_lifetimes_are_the_defaults() -> None:
    """A row that a setting decides about says the number that the setting has when nobody sets it."""
    defaults: dict[str, Any] = {
        setting.variable: setting.default for service in CHOREOGRAPHY for setting in portrait(service).settings
    }

    def said_otherwise(text: str, ending: str) -> bool:
        wanted = {defaults[name] for name in defaults if name.endswith(ending)}
        return not wanted or not wanted <= set(re.findall(r"\d+", text))

    decided = [(text, found[1]) for _, text, by, _ in ROWS if (found := re.search(r"`…?(\w+)`", by))]
    assert decided
    assert [text for text, ending in decided if said_otherwise(text, ending)] == []
