"""What operators see of trouble, and what they do about it."""

import asyncio
import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chassis.cli.app import app
from stack.services import SERVICES
from tests.choreography import heard_by
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.system import System


@pytest.mark.parametrize("service", SERVICES)
async def test_service_exports_what_it_knows_of_its_trouble(system: System, service: str) -> None:
    """The metrics of a service say what waits, what is parked, and which queues it reads."""
    answer = await system.watch(service, "/metrics")

    names = {line.split(" ")[0].split("{")[0] for line in answer.text.splitlines() if not line.startswith("#")}
    assert answer.status_code == 200
    assert {
        "saga_outbox_depth",
        "saga_outbox_oldest_seconds",
        "saga_parked_messages",
        "saga_consumers",
        "saga_ready",
    } <= names


async def test_stuck_checkout_is_listed_with_what_it_waits_for(
    system: System, fan: Fan, hold: Hold, operator: Operator, broker: Broker
) -> None:
    """A checkout that is pending for too long is shown to operators, with the events that may come next."""
    async with broker.diverted("point.spend", "checkout.requested") as kept:
        checkout_id = await fan.begin(hold)
        await eventually(lambda: _count(kept.messages))
        await system.databases.change(
            "payment",
            "UPDATE checkout SET created_at = created_at - interval '1 hour' WHERE checkout_id = $1",
            checkout_id,
        )

        listed = {row["checkout_id"]: row for row in await operator.get("payment", "/operations/stuck")}
        refused = await fan.ask("GET", "payment", "/operations/stuck")
        alarms = (await system.watch("payment", "/readyz")).json()["alarms"]

    assert listed[str(checkout_id)]["last_step"] == "payment.request"
    assert listed[str(checkout_id)]["waits_for"] == sorted([*heard_by("payment.close"), *heard_by("payment.pay")])
    assert listed[str(checkout_id)]["asks_at"] is None
    assert any("GET /operations/stuck" in alarm for alarm in alarms)
    assert refused.status_code == 403
    assert (await fan.end_of(checkout_id))["status"] == "failed"


async def test_parked_message_is_shown_put_back_and_discarded(
    system: System, environment: Mapping[str, str], broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is parked has its story; put back, it comes again with its id; discarded, it is kept in the record."""
    event_id, audit = str(uuid.uuid4()), tmp_path / "audit.jsonl"
    await broker.publish("point.spend", b"{", {"ce-type": "checkout.requested.v1", "ce-id": event_id})
    await eventually(lambda: broker.depth("point.parked"))
    monkeypatch.setenv("RABBITMQ_URL", environment["RABBITMQ_URL"])
    alarms = (await system.watch("point", "/readyz")).json()["alarms"]

    assert "1 messages are parked: python -m chassis parked list" in alarms
    story = json.loads(await _parked("show", event_id))
    assert (story["queue"], story["body"], story["headers"]["x-attempt"]) == ("point.spend", "{", 1)
    assert "would put back 1" in await _parked("redrive", event_id, "--dry-run")
    assert "put back 1" in await _parked("redrive", event_id, "--audit", str(audit))
    await eventually(lambda: broker.depth("point.parked"))
    await _parked("discard", event_id, "--reason", "made for a test", "--audit", str(audit))

    records = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [record["action"] for record in records] == ["redrive", "discard"]
    assert {record["message"]["id"] for record in records} == {event_id}
    assert event_id not in await _parked("list")


async def test_flood_is_discarded_by_its_queue(
    environment: Mapping[str, str], broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one by one; what other steps have parked stays."""
    flood, other, audit = [str(uuid.uuid4()) for _ in range(3)], str(uuid.uuid4()), tmp_path / "audit.jsonl"
    for event_id in flood:
        await broker.publish("point.spend", b"{", {"ce-type": "checkout.requested.v1", "ce-id": event_id})
    await broker.publish("point.refund", b"{", {"ce-type": "payment.rejected.v1", "ce-id": other})
    await eventually(lambda: broker.depth("point.parked"), lambda depth: depth == len(flood) + 1)
    monkeypatch.setenv("RABBITMQ_URL", environment["RABBITMQ_URL"])
    command = ("discard", "--reason", "made for a test", "--audit", str(audit))

    assert "discarded 3" in await _parked(*command, "--queue", "point.spend")
    assert [line.split("\t")[0] for line in (await _parked("list")).splitlines()[1:]] == [other]
    assert "discarded 1" in await _parked(*command, "--all")

    recorded = [json.loads(line)["message"]["id"] for line in audit.read_text().splitlines()]
    assert recorded == [*flood, other]


async def test_resting_message_is_shown_and_discarded(
    environment: Mapping[str, str], broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for another attempt is within reach as well."""
    event_id, audit = str(uuid.uuid4()), tmp_path / "audit.jsonl"
    await broker.rest("point.spend", "2m", event_id)
    await eventually(lambda: broker.depth("point.retry.2m"))
    monkeypatch.setenv("RABBITMQ_URL", environment["RABBITMQ_URL"])

    row = next(line for line in (await _cli("resting", "list")).splitlines() if event_id in line)
    assert (row.split("\t")[:2], row.split("\t")[-1]) == ([event_id, "point.spend"], "2m")
    assert json.loads(await _cli("resting", "show", event_id))["id"] == event_id
    await _cli("resting", "discard", event_id, "--reason", "made for a test", "--audit", str(audit))

    assert event_id in audit.read_text()
    assert event_id not in await _cli("resting", "list")


async def _parked(*words: str) -> str:
    """What `python -m chassis parked` prints."""
    return await _cli("parked", *words)


async def _cli(*words: str) -> str:
    """What `python -m chassis` prints; it runs a loop of its own, so it needs a thread."""
    result = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert result.exit_code == 0, result.output
    return result.output


async def _count(messages: Sequence[object]) -> int:
    return len(messages)
