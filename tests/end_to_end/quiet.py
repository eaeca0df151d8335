"""Waiting until nothing is under way, or changes by itself, any more."""

import asyncio

from stack.services import SERVICES
from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.system import System


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
    """Wait until nothing changes any more: holds that earlier tests left behind do not expire for the next hour."""
    postpone = "UPDATE reservation SET expires_at = now() + interval '1 hour' WHERE status = 'TEMP'"
    await system.databases.rows("reservation", postpone)
    await quiet(system, broker)


async def _handled(system: System) -> list[int]:
    """How many messages each service has handled so far."""
    query = "SELECT count(*) FROM inbox"
    return list(await asyncio.gather(*(system.databases.value(service, query) for service in SERVICES)))
