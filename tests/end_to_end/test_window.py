"""The window sees everything that is said, takes no part, and nobody notices when it is gone."""

import asyncio
import json
import signal
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import aio_pika
import httpx2
import pytest
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ChannelAccessRefused
from typer.testing import CliRunner

from chassis.cli.app import app
from stack.servers.definitions import WINDOW_QUEUE
from stack.services import SERVICES
from tests.chaos.programs import Programs
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import MARK, Observer
from tests.end_to_end.system import System

DONE = [
    "checkout.requested",
    "point.spent",
    "reservation.confirmed",
    "payment.paid",
    "seat.reserved",
    "checkout.completed",
    "payment.sent",
]


class Window:
    """The window, asked by an operator."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    async def get(self, path: str) -> Any:
        """What is found under a path of the API; nothing while the window is away."""
        try:
            answer = await self._operator.ask("GET", "window", f"/api/{path}")
        except httpx2.TransportError:
            return {}
        return answer.json() if answer.is_success else {}

    async def summary(self, saga_id: UUID | str) -> dict[str, Any]:
        """A saga on one line; empty while nothing of it was told."""
        found = (await self.get(f"sagas?text={saga_id}")).get("sagas", [])
        return next((one for one in found if one["saga_id"] == str(saga_id)), {})

    async def ended(self, saga_id: UUID | str) -> dict[str, Any]:
        """The same, once it has ended."""
        return await eventually(lambda: self.summary(saga_id), lambda one: one.get("ended_at"))

    async def story(self, saga_id: UUID | str) -> Any:
        """The whole of a saga."""
        return await self.get(f"sagas/{saga_id}")

    async def aside(self, event_id: str) -> list[dict[str, Any]]:
        """What rests or is parked of an event."""
        found = (await self.get("aside?limit=100"))["messages"]
        return [one for one in found if one["message"]["event_id"] == event_id]


@pytest.fixture
def window(operator: Operator) -> Window:
    """The window."""
    return Window(operator)


def _events(story: Any) -> list[str]:
    return [one["event"] for one in story["happenings"]]


async def test_a_checkout_is_seen_whole_and_told(system: System, window: Window, fan: Fan, hold: Hold) -> None:
    """All of its events, in their order, and that it completed; every id of it leads there."""
    await fan.charge(hold.total)
    checkout_id = (await fan.check_out(hold))["checkout_id"]

    row = await eventually(lambda: window.summary(checkout_id), lambda one: one.get("last_event") == "payment.sent")
    story = await window.story(checkout_id)

    assert (row["way"], row["outcome"], row["oddities"], row["is_late"]) == ("ended", "completed", 0, False)
    assert _events(story) == DONE
    for text in (checkout_id, hold.payment_id, fan.user_id):
        assert checkout_id in (await window.get(f"resolve?text={text}"))["sagas"]


async def test_a_refused_checkout_is_told_with_its_reason(
    window: Window, fan: Fan, hold: Hold, operator: Operator
) -> None:
    """The way back, and why."""
    await fan.charge(hold.total)
    await operator.withdraw(hold.seat_ids[0])
    checkout_id = (await fan.check_out(hold))["checkout_id"]
    await operator.put_back(hold.seat_ids[0])

    row = await window.ended(checkout_id)

    assert (row["outcome"], row["reason"]) == ("failed", "seat-withdrawn")
    assert "checkout.failed" in _events(await window.story(checkout_id))[-2:]


async def test_only_operators_are_told(system: System, fan: Fan) -> None:
    """Whoever buys has no business there, and a stranger has none either."""
    assert (await system.ask("GET", "window", "/api/sagas")).status_code == 401
    assert (await fan.ask("GET", "window", "/api/sagas")).status_code == 403
    assert (await system.ask("GET", "window", "/metrics")).status_code == 401
    assert (await system.watch("window", "/metrics")).is_success


async def test_what_rests_and_what_is_parked_is_seen(broker: Broker, window: Window) -> None:
    """From when it was put aside until it comes back."""
    event_id, parked = str(uuid.uuid4()), uuid.uuid4().hex
    headers = {"ce-id": event_id, "ce-type": "checkout.requested.v1", "ce-source": "/payment"}
    headers |= {"ce-time": "2026-01-01T00:00:00+00:00", "ce-correlationid": str(uuid.uuid4())}

    await broker.publish("point.spend", b"{", headers, MARK + parked)
    (seen,) = await eventually(lambda: window.aside(event_id))
    assert (seen["message"]["place"], seen["message"]["step"], seen["until"]) == ("parked", "point.spend", None)
    (message,) = await broker.unpark("point", 1, parked)

    await broker.redeliver("point.spend", message)
    await broker.unpark("point", 1, parked)

    resting = str(uuid.uuid4())
    await broker.rest("point.spend", "1s", resting)
    found = await eventually(lambda: window.aside(resting))
    assert (found[0]["message"]["place"], found[0]["message"]["delay"]) == ("resting", "1s")
    (again,) = await eventually(lambda: window.aside(resting), lambda found: found and found[0]["until"] is None)
    assert again["message"]["place"] == "parked"
    await broker.unpark("point", 1, "resting")


@pytest.mark.parametrize("body", [b"", b"\xff\0", b"[" * 10_000, b'{"user_id": "7"', b"x" * 200_000])
async def test_rubbish_does_not_stop_it(
    broker: Broker, observer: Observer, window: Window, fan: Fan, hold: Hold, body: bytes
) -> None:
    """Whatever is in a message, the next saga is told."""
    headers = {"ce-id": "7", "ce-type": "\0" * 99, "x-attempt": 2**62, "x-death": [{"count": "many"}], "deep": [[[[]]]]}
    for exchange in ("point", "point.retry", "point.redeliver"):
        await broker.say(exchange, "nothing.that.anybody.hears", body, headers)

    await fan.charge(hold.total)
    checkout_id = (await fan.check_out(hold))["checkout_id"]

    assert (await window.ended(checkout_id))["outcome"] == "completed"


async def test_killed_it_catches_up_and_tells_the_same(
    environment: Mapping[str, str], window: Window, fan: Fan, hold: Hold
) -> None:
    """What was said while it was away waits for it; no saga noticed."""
    programs = Programs(Path(environment["TOKEN_KEYS"]).parent)
    if not programs.path.joinpath("pids").is_dir():
        pytest.skip("these are containers")
    pid = await programs.send("window", signal.SIGKILL)
    await fan.charge(hold.total)
    checkout_id = (await fan.check_out(hold))["checkout_id"]
    await programs.replaced("window", pid)

    await eventually(lambda: window.summary(checkout_id), lambda one: one.get("last_event") == "payment.sent")

    assert _events(await window.story(checkout_id)) == DONE


@pytest.mark.parametrize("exchange", ["", *SERVICES, "point.retry", "amq.topic", "amq.fanout"])
async def test_its_user_can_publish_nothing(environment: Mapping[str, str], exchange: str) -> None:
    """To no exchange, and over HTTP neither."""
    async with await aio_pika.connect(environment["WINDOW_RABBITMQ_URL"]) as connection:
        channel = await connection.channel()
        way = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        with pytest.raises(ChannelAccessRefused):
            await way.publish(aio_pika.Message(b"{}"), "point.spent")
    message = {"properties": {}, "routing_key": "point.spent", "payload": "{}", "payload_encoding": "string"}
    path = f"/api/exchanges/%2F/{exchange or 'amq.default'}/publish"
    async with _management(environment) as api:
        assert not (await api.post(path, json=message)).is_success


async def test_its_user_reads_one_queue(broker: Broker, environment: Mapping[str, str]) -> None:
    """It consumes from nobody's queue, and takes nothing out of one over HTTP."""
    steps = [*await broker.steps(), *(f"{service}.parked" for service in SERVICES)]
    async with await aio_pika.connect(environment["WINDOW_RABBITMQ_URL"]) as connection:
        for name in steps:
            channel = await connection.channel()
            queue = await channel.get_queue(name, ensure=False)
            with pytest.raises(ChannelAccessRefused):
                await queue.consume(Observer().hear)
    ask = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    async with _management(environment) as api:
        for name in steps:
            assert not (await api.post(f"/api/queues/%2F/{name}/get", json=ask)).is_success


async def test_its_user_declares_nothing(environment: Mapping[str, str]) -> None:
    """No queue, no exchange, no binding; and it deletes and grants nothing."""
    async with await aio_pika.connect(environment["WINDOW_RABBITMQ_URL"]) as connection:
        for attempt in (
            lambda channel: channel.declare_queue("window.more", durable=True),
            lambda channel: channel.declare_queue(exclusive=True),
            lambda channel: channel.declare_exchange("window", durable=True),
            lambda channel: channel.queue_delete(WINDOW_QUEUE),
            lambda channel: channel.exchange_delete("point"),
            _bind,
        ):
            channel = await connection.channel()
            with pytest.raises(AMQPError):
                await attempt(channel)
    async with _management(environment) as api:
        for path, body in (
            ("queues/%2F/window.more", {"durable": True}),
            ("permissions/%2F/window", {"configure": ".*", "write": ".*", "read": ".*"}),
            ("users/window", {"password": "x", "tags": "administrator"}),
        ):
            assert not (await api.put(f"/api/{path}", json=body)).is_success
        assert not (await api.delete(f"/api/queues/%2F/{WINDOW_QUEUE}")).is_success


async def _bind(channel: Any) -> None:
    queue = await channel.get_queue(WINDOW_QUEUE, ensure=False)
    await queue.bind("amq.topic", "#")


async def test_its_queue_costs_nobody_anything(broker: Broker) -> None:
    """It is bounded, and drops the oldest instead of refusing the newest."""

    async def look() -> dict[str, Any]:
        found: dict[str, Any] = await broker.ask(f"queues/%2F/{WINDOW_QUEUE}")
        return found

    queue = await eventually(look, lambda found: found.get("effective_policy_definition"))

    limits = queue["effective_policy_definition"]
    assert (queue["type"], queue["durable"], limits["overflow"]) == ("classic", True, "drop-head")
    assert {"max-length", "max-length-bytes"} <= limits.keys()


async def test_a_user_is_erased_from_it_too(
    environment: Mapping[str, str], window: Window, fan: Fan, hold: Hold
) -> None:
    """Sagas stay, under the pseudonym."""
    await fan.charge(hold.total)
    checkout_id = (await fan.check_out(hold))["checkout_id"]
    await eventually(lambda: window.summary(checkout_id), lambda one: one.get("last_event") == "payment.sent")

    erased = await eventually(lambda: _command(environment, "erase", fan.user_id), lambda seen: seen.exit_code == 0)

    name = next(word for word in erased.output.split() if word.startswith("erased-"))
    assert "window: done" in erased.output
    assert (await window.get(f"resolve?text={fan.user_id}"))["sagas"] == []
    assert checkout_id in (await window.get(f"resolve?text={name}"))["sagas"]
    story = json.dumps(await window.story(checkout_id))
    assert fan.user_id not in story


async def _command(environment: Mapping[str, str], *arguments: str) -> Any:
    return await asyncio.to_thread(lambda: CliRunner(env=dict(environment)).invoke(app, ["user", *arguments]))


def _management(environment: Mapping[str, str]) -> httpx2.AsyncClient:
    user = httpx2.URL(environment["WINDOW_RABBITMQ_URL"].replace("amqps", "http").replace("amqp", "http"))
    url = httpx2.URL(environment["RABBITMQ_MANAGEMENT_URL"]).copy_with(username=user.username, password=user.password)
    return httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False)
