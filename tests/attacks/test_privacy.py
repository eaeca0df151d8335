"""Whoever reads our files learns nothing about users, and a user can be forgotten."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from chassis.broker.erasure import renamed
from chassis.broker.record import anonymous
from chassis.choreography.envelope import Envelope
from chassis.cli.app import app
from contracts import point
from stack.directory import ROOT
from tests.attacks.here import in_our_stack
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.observing import MARK
from tests.end_to_end.platform import Platform
from tests.end_to_end.system import System
from tests.unit.examples import an

DEEP = b"[" * 30_000 + b"]" * 30_000
"""A body in which no reader of JSON gets to the end"""


async def command(environment: Mapping[str, str], *arguments: str) -> Result:
    """What a command of an operator answers."""
    return await asyncio.to_thread(lambda: CliRunner(env=dict(environment)).invoke(app, ["user", *arguments]))


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are run where the services are."""
    monkeypatch.chdir(ROOT)


async def _bought(system: System, fan: Fan, hold: Hold) -> str:
    """A checkout of which the platform knows."""
    await fan.charge(hold.total + 5)
    state = await fan.check_out(hold)
    await eventually(lambda: Platform(system).delivery(uuid.UUID(state["checkout_id"])))
    return str(state["checkout_id"])


async def test_user_is_exported(system: System, environment: Mapping[str, str], fan: Fan, hold: Hold) -> None:
    """All that any service knows about them, and nothing about others."""
    checkout_id = await _bought(system, fan, hold)

    found = json.loads((await command(environment, "export", fan.user_id)).output)

    rows = found["rows"]
    assert {entry["type"] for entry in rows["point"]["point_history"]} == {"CHARGE", "USE"}
    assert rows["point"]["wallet"] == [{"user_id": fan.user_id, "balance": 5}]
    assert [row["checkout_id"] for row in rows["payment"]["checkout"]] == [checkout_id]
    assert {row["status"] for row in rows["reservation"]["reservation"]} == {"CONFIRMED"}
    assert json.loads((await command(environment, "export", "nobody-at-all")).output)["rows"] == {
        service: {} for service in rows
    }


async def test_user_is_erased_and_ledgers_stay(
    system: System, environment: Mapping[str, str], broker: Broker, fan: Fan, hold: Hold
) -> None:
    """Under one pseudonym in all services; a message that was put aside keeps all but the name."""
    checkout_id, mark = await _bought(system, fan, hold), uuid.uuid4().hex
    body = json.dumps({"user_id": fan.user_id, "amount": "not a number"}).encode()
    await broker.publish("point.spend", body, {"ce-type": "checkout.requested.v1"}, MARK + mark)
    await eventually(lambda: broker.depth("point.parked"))

    erased = await eventually(lambda: command(environment, "erase", fan.user_id), lambda seen: seen.exit_code == 0)

    (parked,) = await broker.unpark("point", 1, mark)
    pseudonym = next(word for word in erased.output.split() if word.startswith("erased-"))
    assert json.loads(parked.body) == {"user_id": pseudonym, "amount": "not a number"}
    assert parked.headers["x-step"] == "point.spend"
    exported = (await command(environment, "export", fan.user_id)).output
    assert not any(json.loads(exported)["rows"].values())
    entries = await system.databases.rows("point", "SELECT * FROM point_history WHERE user_id = $1", pseudonym)
    assert {entry["type"] for entry in entries} == {"CHARGE", "USE"}
    owner = await system.databases.value(
        "payment", "SELECT user_id FROM checkout WHERE checkout_id = $1", uuid.UUID(checkout_id)
    )
    assert owner == pseudonym


async def test_user_with_a_hold_is_not_erased_yet(environment: Mapping[str, str], fan: Fan, hold: Hold) -> None:
    """Messages on their way name the user, and have to meet the rows that do."""
    refused = await command(environment, "erase", fan.user_id)

    assert refused.exit_code == 1
    assert "under way" in refused.output
    assert (await fan.get("reservation", f"/reservations/{hold.payment_id}"))["status"] == "temp"


@in_our_stack
async def test_no_log_names_a_user(
    system: System, environment: Mapping[str, str], broker: Broker, fan: Fan, hold: Hold
) -> None:
    """Not after a sale, nor after requests and messages that go wrong."""
    await _bought(system, fan, hold)
    await fan.post("point", "/points/charge", {"amount": -1})
    await fan.order(hold.payment_id)
    mark = uuid.uuid4().hex
    lie = {"user_id": fan.user_id, "checkout_id": str(uuid.uuid4()), "payment_id": str(hold.payment_id)}
    body = json.dumps(lie | {"reason": "a-lie"}).encode()
    headers: dict[str, Any] = {"ce-type": "payment.rejected.v1", "ce-source": "/payment", "ce-id": str(uuid.uuid4())}
    await broker.publish("reservation.revert", body, headers, MARK + mark)
    await broker.unpark("reservation", 1, mark)

    logs = await asyncio.to_thread(lambda: list((Path(environment["TOKEN_KEYS"]).parent / "logs").glob("*.log")))

    assert logs
    naming = [file.name for file in logs if fan.user_id in await asyncio.to_thread(file.read_text, errors="replace")]
    assert naming == []


def test_what_is_discarded_is_recorded_without_its_user() -> None:
    """The rest of the event is there; of what is none, that which tells it from others."""
    said = an(point.Spent)
    headers = Envelope(said, uuid.uuid4(), None, datetime.now(UTC), "").headers()

    recorded = json.loads(anonymous([point.Spent], headers, said.model_dump_json().encode()))

    assert recorded == json.loads(said.model_dump_json(exclude={"user_id"}))
    assert said.user_id not in recorded.values()
    for odd in (b'{"user_id": "ann"', b'{"userid": "ann", "data": {"user_id": "ann"}}', DEEP, b"{"):
        assert anonymous([point.Spent], headers, odd).startswith(f"{len(odd)} bytes with the SHA-256 ")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"user_id": "7", "amount": 7}', b'{"user_id": "x", "amount": 7}'),
        (b'{"a": ["7", {"b": "7"}], "c": "77"}', b'{"a": ["x", {"b": "x"}], "c": "77"}'),
        (b'{"user_id": "7"', b'{"user_id": "x"'),
        (b"7", b"7"),
        (b'{"user_id": 7, "amount": 7}', b'{"user_id": "x", "amount": 7}'),
        (b'{"user_id": 77, "amount": 7}', b'{"user_id": 77, "amount": 7}'),
        (b'{"user_id":"7","user_id":"8"}', b'{"user_id":"x","user_id":"8"}'),
        (b'{"user_id": 7, "user_id": 7.5, "user_id"', b'{"user_id": "x", "user_id": 7.5, "user_id"'),
        (DEEP, DEEP),
        (b"[" * 500 + b'"7"' + b"]" * 500, b"[" * 500 + b'"x"' + b"]" * 500),
    ],
    ids=lambda body: body.decode()[:40],
)
def test_a_message_loses_the_name_and_nothing_else(body: bytes, wanted: bytes) -> None:
    """Wherever it stands as a whole text; also where the message cannot be read."""
    assert renamed(body, "7", "x") == wanted
