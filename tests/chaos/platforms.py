"""Faults of the external platform, which is told about every completed checkout."""

import asyncio
from typing import Any

from tests.chaos.drill import Fault
from tests.chaos.site import Site
from tests.chaos.trouble import TROUBLE
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Operator

SECONDS = 10.0
SLOW = 5.5
"""A little longer than the service waits for an answer."""
TOLD_WITHIN = 120.0
OK = 200

_ENDED = """
    SELECT array_agg(id) FROM (
        SELECT checkout_id FROM checkout WHERE status <> 'PENDING'
        UNION ALL SELECT refund_id FROM refund WHERE status = 'COMPLETED'
    ) AS ended (id)
"""
_UNTOLD = """
    SELECT count(*) FROM unnest($1::uuid[]) AS ended (id)
    WHERE id NOT IN (SELECT checkout_id FROM delivery UNION ALL SELECT notice_id FROM notice)
"""


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
        try:
            await _set(site, mode="error", status=410)
            injected = await inner(site)
        finally:
            await site.platform.recover()
        await _told(site)
        await _send_again(site)
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
    """Wait until the platform's answer about everything that has ended by now has been noted."""
    async with site.session("payment") as session:
        ended = await session.fetchval(_ENDED)

        async def untold() -> int:
            return int(await session.fetchval(_UNTOLD, ended))

        await eventually(untold, lambda count: not count, TOLD_WITHIN)


async def _send_again(site: Site) -> None:
    """What an operator does about deliveries that were refused, while others may still kill the service."""
    operator = Operator(site.system)

    async def is_done() -> bool:
        try:
            refused: list[Any] = await operator.get("payment", "/operations/refused")
            for one in refused:
                await operator.send_again(one["notice_id"])
        except (*TROUBLE, AssertionError):
            return False
        return not refused

    await eventually(is_done, within=TOLD_WITHIN)
