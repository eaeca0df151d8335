"""Relay: publishes what the outbox holds, and moves what the broker has confirmed out of it.

A message is published from memory right after its commit. The sweeper is for what a crash or an outage left
behind; both may publish the same message, which the inbox of the receiver tells apart.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol
from uuid import UUID

import structlog

from chassis.crash import Point, crash_point
from chassis.errors import describe
from chassis.store.database import Database
from chassis.store.departures import Departures
from chassis.store.outbox import Outgoing
from chassis.store.transaction import Transaction

log = structlog.get_logger(__name__)

SWEEP_INTERVAL = 2.0
MAX_SWEPT = 500
MAX_REPEATED = 500
"""How much that was said before is said again in one round: what asks for it can hear more, beside all that is new"""
FORGET_DELAY = 0.2
ALARMING_ATTEMPTS = 5
PUMPS, AT_ONCE = 4, 100


class Publishes(Protocol):
    """What a relay needs of the way to the broker."""

    @property
    def connected(self) -> bool:
        """Whether something can be published now."""

    async def publish(self, messages: Sequence[Outgoing]) -> list[UUID]:
        """Publish events together; returns the ids of those that the broker has confirmed in time."""


class Relay:
    """Publishes the departures of one process."""

    def __init__(self, publisher: Publishes, departures: Departures, database: Database) -> None:
        self._publisher = publisher
        self._departures = departures
        self._database = database

    async def pump(self) -> None:
        """Publish what departs, until `drain`. Some of these run side by side, and bound what is in flight."""
        while messages := await self._departures.take(AT_ONCE):
            await self.publish(messages)

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Publish messages once; what the broker does not confirm stays in the outbox."""
        confirmed: list[UUID] = []
        try:
            confirmed = await self._publisher.publish(messages)
            crash_point(Point.AFTER_CONFIRM, (message.routing_key for message in messages))
        except Exception as error:  # noqa: BLE001  # what failed is still in the outbox
            log.warning("events not published", count=len(messages), error=describe(error))
        finally:
            self._departures.landed(messages, confirmed)

    async def sweep(self) -> None:
        """For ever: publish what nobody is publishing."""
        await _for_ever(self.sweep_once, SWEEP_INTERVAL)

    async def sweep_once(self) -> None:
        """Take over every message whose lease has run out, and let it depart; put back some that are asked for again.

        While the broker takes nothing, keep what is on its way: with an alarm over, no other replica must say it too.
        """
        found = MAX_SWEPT

        async def take_over(transaction: Transaction) -> list[Outgoing]:
            nonlocal found
            leased = await transaction.session.lease(MAX_SWEPT)
            found = len(leased)
            # After an alarm the leases of all that waits have run out, also of what is confirmed at this very moment.
            # This transaction may drop it, so this is the last moment to know it.
            return [message for message in leased if message not in self._departures]

        if not self._publisher.connected and self._departures.held:
            await self._database.run(self._keep)
        while self._publisher.connected and found == MAX_SWEPT:
            await self._departures.room()
            messages = await self._database.run(take_over)
            for message in messages:
                if message.attempts >= ALARMING_ATTEMPTS:
                    log.error("event cannot be published", said=message.routing_key, attempts=message.attempts)
            self._departures.send(messages)
        # On its own, and last: what is said for the first time depends on nothing that was said before.
        if self._publisher.connected:
            await self._database.run(self._repeat)

    async def _repeat(self, transaction: Transaction) -> None:
        await transaction.session.repeat(MAX_REPEATED)

    async def _keep(self, transaction: Transaction) -> None:
        await transaction.session.keep(self._departures.held)

    async def forget(self) -> None:
        """For ever: drop confirmed rows that no other transaction took along."""

        async def once() -> None:
            await self._departures.confirmed()
            await asyncio.sleep(FORGET_DELAY)
            await self.forget_once()

        await _for_ever(once, pause=0)

    async def forget_once(self) -> None:
        """Drop confirmed rows in a transaction without work of its own."""
        if self._departures.has_confirmed:
            await self._database.run(_nothing)

    async def drain(self, pumps: Collection[asyncio.Task[None]], seconds: float) -> None:
        """Wait so long for what is on its way, and forget what is confirmed of it; the rest stays in the outbox."""
        self._departures.end()
        try:
            async with asyncio.timeout(seconds):
                if pumps:
                    await asyncio.wait(pumps)
                await self.forget_once()
        except TimeoutError:
            log.warning("not everything was published in time, the rest stays in the outbox")


async def _nothing(_: Transaction) -> None:
    """No work: the transaction only forgets the confirmed rows."""


async def _for_ever(once: Callable[[], Awaitable[None]], pause: float) -> None:
    """Repeat, whatever happens: what failed is still in the outbox, and the next round finds it."""
    while True:
        try:
            await once()
        except Exception as error:  # noqa: BLE001  # a relay that dies would be the silent end of all events
            log.warning("relay round failed", error=describe(error))
            await asyncio.sleep(SWEEP_INTERVAL)
        await asyncio.sleep(pause)
