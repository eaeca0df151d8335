"""Waiting until nothing is under way, or changes by itself, any more."""

import asyncio

from stack.services import SERVICES
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.system import System

POSTPONE = (
    ("reservation", "UPDATE reservation SET expires_at = now() + interval '1 hour' WHERE status = 'TEMP'"),
    ("reservation", "UPDATE reservation SET ask_at = now() + interval '1 hour' WHERE ask_at IS NOT NULL"),
    ("payment", "UPDATE refund SET ask_at = now() + interval '1 hour' WHERE status = 'PENDING'"),
    ("seat", "UPDATE seat SET revoke_at = now() + interval '1 hour' WHERE revoke_at IS NOT NULL"),
)
"""What has every clock wait"""


async def quiet(system: System, broker: Broker) -> None:
    """Wait until every message that anybody has said was handled by everybody who hears it.

    When the outboxes are empty, all that was said is in the queues, and then the steps catch up with those. If
    that handled anything, new things may have been said meanwhile, and all begins again.
    """

    async def still() -> bool:
        before = await _handled(system)
        await eventually(system.databases.unsent, lambda count: count == 0)
        await broker.caught_up()
        return before == await _handled(system) and await system.databases.unsent() == 0

    await eventually(still)


async def stand_still(system: System, broker: Broker) -> None:
    """Wait until nothing changes any more: no clock finds anything that earlier tests left behind for the next hour."""
    for service, postpone in POSTPONE:
        await system.databases.rows(service, postpone)
    await quiet(system, broker)


async def _handled(system: System) -> list[int]:
    """How many messages each service has handled so far."""
    query = "SELECT count(*) FROM inbox"
    return list(await asyncio.gather(*(system.databases.value(service, query) for service in SERVICES)))
