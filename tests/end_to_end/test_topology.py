"""What RabbitMQ holds, as its management interface lists it."""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import httpx2
import pytest
from aiormq.exceptions import ChannelPreconditionFailed

from stack.servers.definitions import WINDOW_QUEUE
from stack.services import SERVICES
from tests.choreography import HEARS_AND_SAYS, exchange, heard_by
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.quiet import quiet
from tests.end_to_end.system import System

HEARD = {step: [f"{exchange(event)}/{event}" for event in heard_by(step)] for step in HEARS_AND_SAYS}
ASKED = [f"{service}.resay" for service in SERVICES]
DELAYS = {"1s": 1_000, "5s": 5_000, "30s": 30_000, "2m": 120_000}
SAFE = {"x-queue-type": "quorum", "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def _own(name: str) -> bool:
    return bool(name) and not name.startswith(("amq.", WINDOW_QUEUE))


def _shared(queue: str) -> bool:
    """Whether a queue outlives its process."""
    return _own(queue) and ".news." not in queue


async def _named(broker: Broker, what: str) -> dict[str, dict[str, Any]]:
    found = await broker.ask(f"{what}/%2F")
    return {one["name"]: one for one in found if _own(one["name"]) and not one.get("exclusive")}


async def test_exchanges(broker: Broker) -> None:
    """Each service has a durable topic exchange of its name, and two for messages that are tried again."""
    exchanges = await _named(broker, "exchanges")

    assert exchanges.keys() == {f"{service}{kind}" for service in SERVICES for kind in ("", ".retry", ".redeliver")}
    assert {(one["type"], one["durable"], one["auto_delete"]) for one in exchanges.values()} == {("topic", True, False)}


async def test_queues(broker: Broker) -> None:
    """One durable quorum queue per step, one per service and delay, three per service: for asks, pulse, and parked."""
    queues = await _named(broker, "queues")

    retries = {f"{service}.retry.{delay}" for service in SERVICES for delay in DELAYS}
    own = {f"{service}.{kind}" for service in SERVICES for kind in ("parked", "pulse", "resay")}
    assert queues.keys() == HEARD.keys() | retries | own
    assert {(one["type"], one["durable"], one["auto_delete"]) for one in queues.values()} == {("quorum", True, False)}


@pytest.mark.parametrize("step", [*HEARD, *ASKED])
async def test_arguments_of_a_step(broker: Broker, step: str) -> None:
    """What kills a step again and again goes to the parked messages, and is not lost on the way."""
    arguments = (await _named(broker, "queues"))[step]["arguments"]

    assert arguments == SAFE | {
        "x-dead-letter-exchange": f"{step.partition('.')[0]}.retry",
        "x-dead-letter-routing-key": f"parked.{step}",
    }


@pytest.mark.parametrize("step", [*HEARD, *ASKED])
async def test_limits_of_a_step(broker: Broker, step: str) -> None:
    """They come from a policy, so that they can be changed while messages wait."""

    async def look() -> dict[str, Any]:
        return (await _named(broker, "queues"))[step]

    queue = await eventually(look, lambda found: "effective_policy_definition" in found)

    limits = queue["effective_policy_definition"]
    assert queue["policy"] == f"{step.partition('.')[0]}.steps"
    assert 3 < limits["delivery-limit"] <= 100
    assert limits["max-length"] > 0
    assert limits["max-length-bytes"] > 0


@pytest.mark.parametrize("service", SERVICES)
async def test_limits_of_what_is_put_aside(broker: Broker, service: str) -> None:
    """Of what rests or is parked too, and of news: no queue of a service can fill the broker."""

    async def look() -> dict[str, dict[str, Any]]:
        found = await broker.ask("queues/%2F")
        return {one["name"]: one.get("effective_policy_definition", {}) for one in found}

    def aside(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        kinds = (f"{service}.retry.", f"{service}.parked", f"{service}.news.")
        return {name: limits for name, limits in found.items() if name.startswith(kinds)}

    limits = aside(await eventually(look, lambda found: all(aside(found).values())))

    assert len(limits) > len(DELAYS) + 1
    assert all({"max-length", "max-length-bytes"} <= one.keys() for one in limits.values())


@pytest.mark.parametrize("service", SERVICES)
async def test_arguments_of_a_delay(broker: Broker, service: str) -> None:
    """What waits for another attempt comes back after its delay, and is not lost on the way."""
    queues = await _named(broker, "queues")

    for delay, milliseconds in DELAYS.items():
        assert queues[f"{service}.retry.{delay}"]["arguments"] == SAFE | {
            "x-message-ttl": milliseconds,
            "x-dead-letter-exchange": f"{service}.redeliver",
        }


async def test_bindings(broker: Broker) -> None:
    """Every step is bound to the events that it hears, and to the way back from its delays, and to nothing else."""
    found = [one for one in await broker.ask("bindings/%2F") if one["source"] and _shared(one["destination"])]
    bindings = {(one["source"], one["routing_key"], one["destination"]) for one in found}

    events = {(*heard.split("/"), step) for step, several in HEARD.items() for heard in several}
    redelivered = {(f"{step.partition('.')[0]}.redeliver", f"*.{step}", step) for step in (*HEARD, *ASKED)}
    asked = {("amq.topic", queue, queue) for queue in (*ASKED, *(f"{service}.pulse" for service in SERVICES))}
    delayed = {(f"{one}.retry", f"{delay}.#", f"{one}.retry.{delay}") for one in SERVICES for delay in DELAYS}
    parked = {(f"{one}.retry", "parked.#", f"{one}.parked") for one in SERVICES}
    assert bindings == events | asked | redelivered | delayed | parked


async def test_every_step_has_its_consumer(broker: Broker) -> None:
    """Each step's queue has a consumer with a limit on what it takes at once, and so have the queues of asks."""

    async def consumers() -> dict[str, int]:
        found = await broker.ask("consumers/%2F")
        return {one["queue"]["name"]: one["prefetch_count"] for one in found if _shared(one["queue"]["name"])}

    prefetch = await eventually(consumers, lambda found: found.keys() == {*HEARD, *ASKED})

    assert all(count > 0 for count in prefetch.values())


@pytest.mark.parametrize("service", SERVICES)
async def test_service_writes_to_its_own_exchange_only(broker: Broker, service: str) -> None:
    """A service's user may declare and write what bears its name, and read the exchanges that its steps hear."""
    (granted,) = [one for one in await broker.ask("permissions") if one["user"] == service]
    others = [other for other in SERVICES if other != service]

    for kind in ("configure", "write"):
        assert _allowed(granted[kind], service, f"{service}.retry", f"{service}.parked")
    assert not any(_allowed(granted["configure"], f"{service}.{name}") for name in ("many", "hoard.1", "parked.spare"))
    for kind in ("configure", "write"):
        assert not any(_allowed(granted[kind], name) for other in others for name in (other, f"{other}.retry"))
    heard = {exchange(event) for step in HEARS_AND_SAYS if step.startswith(f"{service}.") for event in heard_by(step)}
    assert _allowed(granted["read"], *heard, f"{service}.parked")
    assert not any(_allowed(granted["read"], other) for other in set(SERVICES) - heard)
    assert not any(_allowed(granted["read"], f"{other}.parked") for other in others)


def _allowed(pattern: str, *names: str) -> bool:
    return all(re.search(pattern, name) for name in names)


async def test_service_users_are_no_administrators(broker: Broker) -> None:
    """Each service has a user of its own, without any tag."""
    users = {one["name"]: one["tags"] for one in await broker.ask("users")}

    assert users.keys() >= set(SERVICES)
    assert not any(users[service] for service in SERVICES)
    assert "guest" not in users


@pytest.fixture
def stranger_url(environment: Mapping[str, str]) -> Iterator[str]:
    """The address of the broker for a user that may write to everything, and is no administrator."""
    name = f"stranger-{uuid.uuid4().hex}"
    with httpx2.Client(base_url=environment["RABBITMQ_MANAGEMENT_URL"], timeout=30) as management:
        management.put(f"/api/users/{name}", json={"password": name, "tags": ""}).raise_for_status()
        rights = {"configure": "", "write": ".*", "read": ""}
        management.put(f"/api/permissions/%2F/{name}", json=rights).raise_for_status()
        try:
            place = urlsplit(environment["RABBITMQ_URL"])
            yield place._replace(netloc=f"{name}:{name}@{place.hostname}:{place.port}").geturl()
        finally:
            management.delete(f"/api/users/{name}").raise_for_status()


async def test_nobody_speaks_for_another(stranger_url: str) -> None:
    """Nobody can publish under the name of a service, whatever else they may: `user_id` on a message is true."""
    async with await aio_pika.connect(stranger_url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange("point", ensure=False)
        forged = aio_pika.Message(json.dumps({}).encode(), user_id="point")

        with pytest.raises(ChannelPreconditionFailed):
            await exchange.publish(forged, "point.spent")


async def test_management_agrees_that_queues_are_empty(system: System, broker: Broker) -> None:
    """When nothing is under way, every queue is empty, in the eyes of the management interface too."""
    await quiet(system, broker)

    async def filled() -> dict[str, int]:
        counts = {name: one.get("messages", 0) for name, one in (await _named(broker, "queues")).items()}
        return {name: count for name, count in counts.items() if count}

    assert await eventually(filled, lambda found: not found) == {}
