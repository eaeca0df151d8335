"""Faults of the external platform, which is told about every completed checkout."""

import asyncio
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from tests.chaos.drill import Fault
from tests.chaos.site import Site
from tests.end_to_end.broker import Broker, Observer
from tests.end_to_end.eventually import eventually

SECONDS = 10.0
SLOW = 5.5
"""A little longer than the service waits for an answer."""
TOLD_WITHIN = 120.0
OK = 200

_COMPLETED = "SELECT array_agg(checkout_id) FROM checkout WHERE status = 'COMPLETED'"
_UNTOLD = """
    SELECT count(*) FROM unnest($1::uuid[]) AS completed (checkout_id) LEFT JOIN delivery USING (checkout_id)
    WHERE delivery.checkout_id IS NULL
"""
_FORGET_REFUSED = "DELETE FROM delivery WHERE status = 'FAILED' RETURNING checkout_id"
_FORGET_HEARD = "DELETE FROM inbox WHERE step = 'payment.send' AND saga_id = $1"


async def errors(site: Site) -> int:
    """It answers with 500 and stores nothing."""
    return await _failing(site, mode="error", status=500)


async def slowness(site: Site) -> int:
    """It answers after its client has given up, and acts all the same."""
    before = await _attempts(site)
    await _failing(site, mode="slow", delay=SLOW)
    # An attempt is known to the platform only when it has at last acted.
    await _told(site)
    return await _attempts(site) - before


async def errors_after_it_acted(site: Site) -> int:
    """It stores the delivery and then answers with 500."""
    return await _failing(site, mode="after-store", status=500)


def refusing(inner: Fault) -> Fault:
    """It refuses what it should take, while something else goes wrong; then a person has all of that sent again."""

    async def fault(site: Site) -> int:
        async with site.broker() as broker, broker.observe(["payment"], "checkout.completed") as completed:
            # Whatever is refused from here on has completed since somebody listens.
            await _told(site)
            try:
                await _set(site, mode="refuse")
                injected = await inner(site)
            finally:
                await site.platform.recover()
            await _told(site)
            await _send_again(site, broker, completed)
            await _told(site)
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


async def _told(site: Site) -> None:
    """Wait until the platform's answer about every checkout that is complete now has been noted."""
    async with site.session("payment") as session:
        completed = await session.fetchval(_COMPLETED)

        async def untold() -> int:
            return int(await session.fetchval(_UNTOLD, completed))

        await eventually(untold, lambda count: not count, TOLD_WITHIN)


async def _send_again(site: Site, broker: Broker, completed: Observer) -> None:
    """Forget that deliveries were refused, and repeat what led to them."""
    async with site.session("payment") as session:
        for row in await session.fetch(_FORGET_REFUSED):
            await session.execute(_FORGET_HEARD, row["checkout_id"])
            await broker.put("payment.send", _of(completed, str(row["checkout_id"])))


def _of(completed: Observer, saga_id: str) -> AbstractIncomingMessage:
    return next(message for message in completed.messages if message.correlation_id == saga_id)
