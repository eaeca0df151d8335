"""Queues whose arguments have changed are made anew, and keep what is in them."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import httpx2
import pytest
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from typer.testing import CliRunner, Result

from chassis.broker import renewal
from chassis.broker.connection import declare
from chassis.broker.retry import ATTEMPT
from chassis.choreography.loading import load
from chassis.choreography.topology import Binding, Topology, keeping_queues, topology
from chassis.cli.app import app
from chassis.documents.drift import compare, declared, live

GRAPH = load(Path(__file__).parents[2])
VHOST = "renewed"
WORKING = [name for service in GRAPH.services for name in keeping_queues(service) if name.count(".") == 1]
COPIES = 3


def _as_it_was(wanted: Topology) -> Topology:
    """The same with limits in the arguments."""
    queues = (replace(queue, arguments=queue.arguments | {"x-delivery-limit": 1_000}) for queue in wanted.queues)
    return replace(wanted, queues=tuple(queues))


@pytest.fixture(autouse=True)
def _nothing_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on its way to be waited for."""
    monkeypatch.setattr(renewal, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def old_url(environment: Mapping[str, str]) -> Iterator[str]:
    """The address of a virtual host without services, whose queues were declared with limits in their arguments."""
    with httpx2.Client(base_url=environment["RABBITMQ_MANAGEMENT_URL"], timeout=30) as management:
        management.put(f"/api/vhosts/{VHOST}").raise_for_status()
        user = urlsplit(environment["RABBITMQ_MANAGEMENT_URL"]).username
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        management.put(f"/api/permissions/{VHOST}/{user}", json=everything).raise_for_status()
        try:
            yield urlsplit(environment["RABBITMQ_URL"])._replace(path=f"/{VHOST}").geturl()
        finally:
            management.delete(f"/api/vhosts/{VHOST}").raise_for_status()


@asynccontextmanager
async def _filled(url: str) -> AsyncIterator[AbstractConnection]:
    """Every working queue holds messages that came over the exchange of redeliveries, and so does every parked one."""
    async with await aio_pika.connect(url) as connection:
        for service in GRAPH.services:
            exchanges = replace(topology(service), queues=(), bindings=())
            await declare(connection, exchanges)
        for service in GRAPH.services:
            await declare(connection, _as_it_was(topology(service)))
        channel = await connection.channel(on_return_raises=True)
        for queue in WORKING:
            owner = queue.partition(".")[0]
            is_parked = queue.endswith(".parked")
            exchange = await channel.get_exchange(f"{owner}.retry" if is_parked else f"{owner}.redeliver")
            for number in range(COPIES):
                message = aio_pika.Message(
                    f"{queue} {number}".encode(),
                    headers={"ce-id": f"{queue} {number}", ATTEMPT: 2, "CC": ["elsewhere"]},
                    delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    correlation_id=f"saga {number}",
                    type="thing.happened",
                )
                await exchange.publish(message, f"parked.{owner}.it" if is_parked else f"1s.{queue}")
        yield connection


async def _keep(_: AbstractIncomingMessage) -> None:
    """Take a message, and never acknowledge it."""


async def _renew(url: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["renew"], env={"RABBITMQ_URL": url}))


async def _contents(connection: AbstractConnection) -> dict[str, list[tuple[Any, ...]]]:
    """All messages of all working queues, with all that a step or an operator looks at."""
    found = {}
    async with connection.channel() as channel:
        for name in WORKING:
            queue, found[name] = await channel.get_queue(name, ensure=False), list[tuple[Any, ...]]()
            while (one := await queue.get(fail=False)) is not None:
                kept = {key: one.headers.get(key) for key in ("ce-id", ATTEMPT)}
                found[name].append((one.body, kept, one.routing_key, one.correlation_id, one.type))
    return found


def _differences(environment: Mapping[str, str]) -> list[str]:
    """Where the virtual host differs from what is declared; nobody has rights or policies there."""
    kinds = ("exchange", "queue", "binding")
    wanted = {kind: held for kind, held in declared(GRAPH).items() if kind in kinds}
    return compare(wanted, live(environment["RABBITMQ_MANAGEMENT_URL"], VHOST))


async def test_queues_with_messages_get_new_arguments(environment: Mapping[str, str], old_url: str) -> None:
    """Every queue is as declared afterwards, with what was in it; a second run finds nothing to do."""
    async with _filled(old_url) as connection:
        before = await _contents(connection)
        assert len(_differences(environment)) > len(WORKING)

        first, second = await _renew(old_url), await _renew(old_url)

        assert first.exit_code == 0, first.output
        assert f"renewed point.spend, with {COPIES} messages\n" in first.output
        assert (second.exit_code, second.output) == (0, "")
        assert _differences(environment) == []
        assert await _contents(connection) == before
        assert {len(messages) for messages in before.values()} == {COPIES}


async def test_queue_that_is_consumed_from_is_left_alone(environment: Mapping[str, str], old_url: str) -> None:
    """What has been handed out would be lost, so the command says what to stop, and goes on with the others."""
    async with _filled(old_url) as connection, connection.channel() as channel:
        queue = await channel.get_queue("point.spend", ensure=False)
        await channel.set_qos(1)
        tag = await queue.consume(_keep)
        refused = await _renew(old_url)
        await queue.cancel(tag)
    async with await aio_pika.connect(old_url) as connection:
        assert refused.exit_code == 1
        assert "point.spend is due, and consumed from: stop all processes of point first" in refused.output
        assert "renewed seat.reserve" in refused.output
        assert (await _renew(old_url)).exit_code == 0
        assert _differences(environment) == []
        assert {len(messages) for messages in (await _contents(connection)).values()} == {COPIES}


@pytest.mark.parametrize("function", ["_set_aside", "_rebind", "_move", "_put_back"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_renewal_that_was_interrupted_goes_on(
    old_url: str, monkeypatch: pytest.MonkeyPatch, function: str, when: str
) -> None:
    """Wherever it ends, the next run finishes it, and nothing is lost."""
    wanted = next(topology(service) for service in GRAPH.services if service.name == "point")
    queue = next(one for one in wanted.queues if one.name == "point.spend")
    bindings = [Binding(one.exchange, one.routing_key, one.queue) for one in wanted.bindings if one.queue == queue.name]
    real = getattr(renewal, function)

    async def ends(*arguments: Any) -> Any:
        if when == "after":
            await real(*arguments)
        raise ConnectionError

    async with _filled(old_url) as connection:
        with monkeypatch.context() as patched:
            patched.setattr(renewal, function, ends)
            with pytest.raises(ConnectionError):
                await renewal.renew(connection, queue, bindings)
        await renewal.renew(connection, queue, bindings)
        assert await renewal.renew(connection, queue, bindings) is None
        found = {body.decode() for body, *_ in (await _contents(connection))["point.spend"]}
        assert found == {f"point.spend {number}" for number in range(COPIES)}
