"""Faults of consumption: queues that vanish, consumers that are too slow for the broker, more work than usual."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from tests.chaos.shoppers import Shoppers
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually

LOCKED_SECONDS = 12.0
TIMEOUT_MS, TICK_MS = 3_000, 1_000
USUAL_TIMEOUT_MS, USUAL_TICK_MS = 1_800_000, 60_000
SPIKE_RATE, SPIKE_SECONDS = 60.0, 6.0
BACK_WITHIN = 60.0
NEVER_SAID = "never.said"
"""The one event that a queue still hears, so that it counts as the queue of a step, while it is emptied"""
DELETED = ("point.spend", "payment.pay", "seat.reserve")
LOCKS = {
    "point": "LOCK TABLE wallet IN ACCESS EXCLUSIVE MODE",
    "payment": "LOCK TABLE payment IN ACCESS EXCLUSIVE MODE",
    "seat": "LOCK TABLE seat IN ACCESS EXCLUSIVE MODE",
}


async def slow(site: Site) -> int:
    """Two services wait for rows that somebody else has locked, so their queues grow."""
    async with locked(site, "point"), locked(site, "payment"):
        await asyncio.sleep(LOCKED_SECONDS)
    return 2


async def spike(site: Site) -> int:
    """Ten times as many fans as usual come for some seconds."""
    before = len(site.accepted)
    async with Shoppers(site, SPIKE_RATE).shopping():
        await asyncio.sleep(SPIKE_SECONDS)
    return len(site.accepted) - before


async def timed_out(site: Site) -> int:
    """The broker closes the channels of consumers that have not acknowledged anything for too long."""
    before = await _timeouts(site)
    await _set_timeout(site, TIMEOUT_MS, TICK_MS)
    try:
        for service in ("payment", "seat", "payment", "seat"):
            async with locked(site, service):
                known = await _timeouts(site)
                await eventually(partial(_timeouts, site), known.__lt__)
    finally:
        await _set_timeout(site, USUAL_TIMEOUT_MS, USUAL_TICK_MS)
    return await _timeouts(site) - before


async def deleted(site: Site) -> int:
    """The queues of three steps are deleted, so the broker cancels their consumers.

    Here nothing is lost with them: nothing is let in before, and it is deleted when it is empty:
    meanwhile the broker gives the events back, and they stay in their outboxes.
    """
    async with site.broker() as broker, await aio_pika.connect(site.environment["RABBITMQ_URL"]) as connection:
        channel = await connection.channel()
        queues = {name: await channel.get_queue(name) for name in DELETED}
        bindings = [binding for binding in await broker.bindings() if binding.queue in queues]
        for binding in bindings:
            await queues[binding.queue].bind(binding.exchange, NEVER_SAID)
            await queues[binding.queue].unbind(binding.exchange, binding.routing_key)
        await broker.caught_up()
        for queue in queues.values():
            await queue.delete(if_unused=False, if_empty=False)
        for name in queues:
            await eventually(partial(_is_consumed, connection, name), within=BACK_WITHIN)
    return len(DELETED)


async def deleted_while_observed(site: Site) -> int:
    """The same queues are deleted with what is in them, while an observer's queue takes all that is said meanwhile."""
    connection = await aio_pika.connect(site.environment["RABBITMQ_URL"])
    async with connection, site.broker() as broker, broker.observe():
        for name in DELETED:
            await broker.delete(name)
        for name in DELETED:
            await eventually(partial(_is_consumed, connection, name), within=BACK_WITHIN)
    return len(DELETED)


async def _is_consumed(connection: AbstractConnection, queue: str) -> bool:
    """Whether a queue exists and somebody consumes from it; asking for one that does not exist costs a channel."""
    try:
        async with connection.channel() as channel:
            declared = await channel.declare_queue(queue, passive=True)
            return bool(declared.declaration_result.consumer_count)
    except ChannelNotFoundEntity:
        return False


@contextlib.asynccontextmanager
async def locked(site: Site, service: str) -> AsyncIterator[None]:
    """A table of a service is locked by a session of somebody else while the context lasts."""
    async with site.session(service) as session, session.transaction():
        await session.execute(LOCKS[service])
        yield


async def _set_timeout(site: Site, timeout_ms: int, tick_ms: int) -> None:
    """Change how long a delivery may wait for its acknowledgement, and have everybody connect anew under that rule."""
    settings = {"consumer_timeout": timeout_ms, "channel_tick_interval": tick_ms}
    calls = ", ".join(f"application:set_env(rabbit, {name}, {value})" for name, value in settings.items())
    await site.node.ctl("eval", f"{calls}.")
    for gate in site.brokers.values():
        gate.reset()


async def _timeouts(site: Site) -> int:
    """How many channels the broker says that it has closed."""
    log = site.programs.path / "logs" / "rabbitmq.log"
    return log.read_text(errors="replace").count("has timed out waiting for delivery acknowledgement")
