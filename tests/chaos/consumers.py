"""Faults of consumption: queues that vanish, consumers that are too slow for the broker, more work than usual."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aio_pika

from tests.chaos.shoppers import Shoppers
from tests.chaos.site import Site
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually

LOCKED_SECONDS = 12.0
TIMEOUT_MS, TICK_MS = 3_000, 1_000
USUAL_TIMEOUT_MS, USUAL_TICK_MS = 1_800_000, 60_000
SPIKE_RATE, SPIKE_SECONDS = 60.0, 6.0
SETTLED = 6.0
"""Seconds after which the management interface has counted anew."""
DELETED = ("point.spend", "payment.pay", "seat.reserve")
LOCKS = {
    "point": "LOCK TABLE wallet IN ACCESS EXCLUSIVE MODE",
    "payment": "LOCK TABLE payment IN ACCESS EXCLUSIVE MODE",
}


async def slow(site: Site) -> int:
    """Two services wait for rows that somebody else has locked, so their queues grow."""
    async with _locked(site):
        await asyncio.sleep(LOCKED_SECONDS)
    return len(LOCKS)


async def spike(site: Site) -> int:
    """Ten times as many fans as usual come for some seconds."""
    before = len(site.accepted)
    async with Shoppers(site, SPIKE_RATE).shopping():
        await asyncio.sleep(SPIKE_SECONDS)
    return len(site.accepted) - before


async def timed_out(site: Site) -> int:
    """The broker closes the channels of consumers that have not acknowledged anything for too long."""
    before = _timeouts(site)
    await _set_timeout(site, TIMEOUT_MS, TICK_MS)
    try:
        async with _locked(site):
            await asyncio.sleep(LOCKED_SECONDS)
    finally:
        await _set_timeout(site, USUAL_TIMEOUT_MS, USUAL_TICK_MS)
    return _timeouts(site) - before


async def deleted(site: Site) -> int:
    """The queues of three steps are deleted, so the broker cancels their consumers.

    A deleted queue takes along what is in it. So nothing is let in before, and it is deleted when it is empty:
    meanwhile the broker gives the events back, and they stay in their outboxes.
    """
    async with site.broker() as broker:
        for queue in DELETED:
            await _delete(site, broker, queue)
            await _until(broker, queue, lambda known: known.get("consumers", 0) > 0)
    return len(DELETED)


async def _delete(site: Site, broker: Broker, queue: str) -> None:
    bindings = [binding for binding in await broker.bindings() if binding.queue == queue]
    async with await aio_pika.connect(site.environment["RABBITMQ_URL"]) as connection:
        found = await (await connection.channel()).get_queue(queue)
        for binding in bindings:
            await found.unbind(binding.exchange, binding.routing_key)
        await asyncio.sleep(SETTLED)
        await _until(broker, queue, lambda known: known.get("messages") == 0)
        await found.delete(if_unused=False, if_empty=False)
        await asyncio.sleep(SETTLED)


async def _until(broker: Broker, queue: str, holds: Callable[[dict[str, Any]], bool]) -> None:
    async def look() -> dict[str, Any]:
        return next((one for one in await broker.ask("queues/%2F") if one["name"] == queue), {})

    await eventually(look, holds, within=60)


@contextlib.asynccontextmanager
async def _locked(site: Site) -> AsyncIterator[None]:
    """Two tables are locked by sessions of somebody else while the context lasts."""
    async with contextlib.AsyncExitStack() as sessions:
        for service, statement in LOCKS.items():
            session = await sessions.enter_async_context(site.session(service))
            await sessions.enter_async_context(session.transaction())
            await session.execute(statement)
        yield


async def _set_timeout(site: Site, timeout_ms: int, tick_ms: int) -> None:
    """Change how long a delivery may wait for its acknowledgement, and have everybody connect anew under that rule."""
    settings = {"consumer_timeout": timeout_ms, "channel_tick_interval": tick_ms}
    calls = ", ".join(f"application:set_env(rabbit, {name}, {value})" for name, value in settings.items())
    await site.rabbitmqctl("eval", f"{calls}.")
    for gate in site.brokers.values():
        gate.reset()


def _timeouts(site: Site) -> int:
    log = site.path / "logs" / "rabbitmq.log"
    return log.read_text(errors="replace").count("has timed out waiting for delivery acknowledgement")
