"""Faults of the external platform, which is told about every completed checkout."""

import asyncio
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from tests.chaos.drill import Fault
from tests.chaos.site import Site
from tests.end_to_end.broker import Broker, Observer
from tests.end_to_end.eventually import eventually

SECONDS = 10.0
SLOW = 6.0
"""Longer than the service waits for an answer."""
OK = 200


async def errors(site: Site) -> int:
    """It answers with 500 and stores nothing."""
    return await _failing(site, mode="error", status=500)


async def slowness(site: Site) -> int:
    """It answers long after its client has given up, and acts all the same."""
    return await _failing(site, mode="slow", delay=SLOW)


async def errors_after_it_acted(site: Site) -> int:
    """It stores the delivery and then answers with 500."""
    return await _failing(site, mode="after-store", status=500)


def refusing(inner: Fault) -> Fault:
    """It refuses what it should take, while something else goes wrong; then a person has all of that sent again."""

    async def fault(site: Site) -> int:
        async with site.broker() as broker, broker.observe(["payment"], "checkout.completed") as completed:
            try:
                await _set(site, mode="refuse")
                injected = await inner(site)
            finally:
                await site.platform.recover()
            await eventually(lambda: _sent_again(site, broker, completed))
        return injected

    return fault


async def _failing(site: Site, **how: Any) -> int:
    before = await _attempts(site)
    try:
        await _set(site, **how)
        await asyncio.sleep(SECONDS)
    finally:
        await site.platform.recover()
    return await _attempts(site) - before


async def _attempts(site: Site) -> int:
    answer = await site.system.ask("GET", "platform", "/attempts")
    return len(answer.json())


async def _set(site: Site, **how: Any) -> None:
    answer = await site.system.ask("PUT", "platform", "/failures", json=how)
    assert answer.status_code == OK, answer.text


async def _sent_again(site: Site, broker: Broker, completed: Observer) -> bool:
    """Repeat what led to a refused delivery, after forgetting that it was refused; says whether none is left."""
    await asyncio.sleep(1)
    query = "DELETE FROM delivery WHERE status = 'FAILED' RETURNING checkout_id"
    async with site.session("payment") as session:
        for row in await session.fetch(query):
            saga_id = row["checkout_id"]
            await session.execute("DELETE FROM inbox WHERE step = 'payment.send' AND saga_id = $1", saga_id)
            await broker.put("payment.send", _of(completed, str(saga_id)))
        await asyncio.sleep(1)
        return bool(await session.fetchval("SELECT count(*) = 0 FROM delivery WHERE status = 'FAILED'"))


def _of(completed: Observer, saga_id: str) -> AbstractIncomingMessage:
    return next(message for message in completed.messages if message.correlation_id == saga_id)
