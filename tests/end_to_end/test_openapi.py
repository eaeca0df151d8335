"""The OpenAPI documents keep what they promise, whatever is asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from stack.services import SERVICES
from tests.end_to_end.catalogue import SEEDED
from tests.end_to_end.fan import Operator
from tests.end_to_end.system import System

EXAMPLES = 15
NO_EVENING = 2_000_000_000

# The documents are looser than the services in one place: JSON Schema takes 1.0 for an integer.
NOT_CHECKED = "positive_data_acceptance"


@pytest.fixture
async def no_seat_left_withdrawn(system: System, operator: Operator) -> AsyncIterator[None]:
    """Seats that the requests withdraw are put back."""
    query = "SELECT seat_id FROM seat WHERE status = 'WITHDRAWN'"
    before = await system.databases.rows("seat", query)
    yield
    for row in await system.databases.rows("seat", query):
        if row not in before:
            await operator.put_back(row["seat_id"])


def _explore(document: dict[str, Any], url: str, token: str) -> Iterator[str]:
    """Ask a service what its document allows and what it does not; everything that was not as promised."""
    config = SchemathesisConfig.from_dict(
        {
            "base-url": url,
            "headers": {"Authorization": f"Bearer {token}"},
            "generation": {"max-examples": EXAMPLES, "deterministic": True},
            "checks": {NOT_CHECKED: {"enabled": False}},
            "phases": {"stateful": {"enabled": False}},
        }
    )
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.hook(map_path_parameters)
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            yield str(event)
        if isinstance(event, events.ScenarioFinished):
            yield from _broken_promises(event)


def map_path_parameters(context: schemathesis.HookContext, path_parameters: dict[str, Any] | None) -> Any:
    """Leave the evenings of other tests alone: one that is called off could not be sold any more."""
    assert context.operation is not None
    if path_parameters is None or not context.operation.path.endswith("/cancel"):
        return path_parameters
    evening = str(path_parameters["date_id"])
    if evening.isdecimal() and int(evening) in SEEDED:
        return path_parameters | {"date_id": NO_EVENING}
    return path_parameters


def _broken_promises(event: events.ScenarioFinished) -> Iterator[str]:
    for checks in event.recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                yield f"{event.label}: {check.name}: {check.failure_info.failure}"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.usefixtures("no_seat_left_withdrawn")
async def test_service_keeps_what_its_document_promises(
    system: System, operator: Operator, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request, however malformed, is answered with a 5xx or with anything that the document does not describe."""
    monkeypatch.setenv("NO_PROXY", "*")
    document = (await system.ask("GET", service, "/openapi.json")).json()

    broken = await asyncio.to_thread(lambda: list(_explore(document, system.url(service), operator.token)))

    assert broken == []


@pytest.mark.parametrize("service", SERVICES)
async def test_document_says_that_errors_are_problems(system: System, service: str) -> None:
    """Every error that the document knows of is a problem document."""
    document = (await system.ask("GET", service, "/openapi.json")).json()

    answers = [
        (path, status, answer)
        for path, verbs in document["paths"].items()
        for verb in verbs.values()
        for status, answer in verb["responses"].items()
        if status[0] in "45" and path != "/readyz"
    ]

    assert answers
    for path, status, answer in answers:
        assert answer["content"].keys() == {"application/problem+json"}, (path, status)
