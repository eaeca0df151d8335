"""How the relay ends."""

import asyncio
from typing import Any, cast
from uuid import uuid4

from chassis.broker.relay import Publishes, Relay
from chassis.store.database import Database
from chassis.store.departures import Departures
from chassis.store.outbox import Outgoing

LONG = 10.0


class HangingDatabase:
    """Answers nothing."""

    async def run(self, _: Any) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


async def test_drain_ends_in_time_when_the_database_hangs() -> None:
    """What is confirmed stays in the outbox then, and is published once more by whoever comes next."""
    # given
    departures, message = Departures(), Outgoing(uuid4(), uuid4(), "lamp.lit", True, {}, "")
    departures.send([message])
    departures.landed(await departures.take(1), [message.event_id])
    relay = Relay(cast("Publishes", None), departures, cast("Database", HangingDatabase()))
    # when
    async with asyncio.timeout(LONG):
        await relay.drain([], seconds=0.01)
    # then
    assert departures.has_confirmed
