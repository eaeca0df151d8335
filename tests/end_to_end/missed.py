"""Missed: a checkout of which an event was confirmed and reached no step, because an observer took it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

from tests.end_to_end.broker import Broker
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.system import System

STEP, EVENT = "reservation.confirm", "point.spent"


async def kept(system: System, saga_id: UUID) -> int:
    """How many confirmed events point_svc keeps of a saga."""
    count = await system.databases.value("point", "SELECT count(*) FROM said WHERE saga_id = $1", saga_id)
    return int(count)


@asynccontextmanager
async def missed(system: System, broker: Broker, fan: Fan, hold: Hold) -> AsyncIterator[UUID]:
    """A checkout whose second event reached no step; it has to complete in the end."""
    await fan.charge(hold.total)
    async with broker.observe(["point"]) as observer, broker.unheard(STEP, EVENT):
        checkout_id = await fan.begin(hold)
        await observer.heard(checkout_id, EVENT)
        await eventually(partial(kept, system, checkout_id))
    yield checkout_id
    assert (await fan.end_of(checkout_id))["status"] == "completed"
