"""Relay: brings what the outbox holds to the broker, and drops what the broker has confirmed.

A message is published from memory right after its commit. The sweeper is for what a crash or an outage left
behind; both may publish the same message, which the inbox of the receiver tells apart.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from chassis import outbox
from chassis.arrivals import Arrivals
from chassis.broker import describe
from chassis.crash import Point, crash_point
from chassis.outbox import Outgoing
from chassis.publisher import Publisher

if TYPE_CHECKING:
    from chassis.database import Database
    from chassis.transaction import Transaction

log = structlog.get_logger(__name__)

SWEEP_INTERVAL = 2.0
SWEEP_MOST = 500
FORGET_DELAY = 0.2
ALARMING_ATTEMPTS = 5
PUMPS, AT_ONCE = 4, 100
FULL = 1_000


class Relay:
    """The messages of one process on their way from the outbox to the broker."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._outgoing = Arrivals[Outgoing]()
        self._held: set[UUID] = set()
        self._room = asyncio.Event()
        self._room.set()
        self._confirmed: list[UUID] = []
        self._to_forget = asyncio.Event()

    def send(self, messages: Iterable[Outgoing]) -> None:
        """Have messages published that are committed, unless they are on their way already."""
        for message in messages:
            if message.event_id not in self._held:
                self._held.add(message.event_id)
                self._outgoing.put(message)
        self._mind_room()

    async def room(self) -> None:
        """Wait while more is on its way than the broker takes within the lease of a row.

        Whoever commits faster than that would have the sweeper publish everything once more.
        """
        await self._room.wait()

    async def pump(self) -> None:
        """Publish what is sent, until `drain`. Some of these run side by side, and bound what is in flight."""
        while messages := await self._outgoing.take(AT_ONCE):
            try:
                await self._publish(messages)
            except Exception as error:  # noqa: BLE001  # what failed is still in the outbox
                log.warning("events not published", count=len(messages), error=describe(error))
            finally:
                self._held.difference_update(message.event_id for message in messages)
                self._mind_room()

    def confirm(self, event_ids: Iterable[UUID]) -> None:
        """Note that the broker has these, so their rows can go."""
        self._confirmed.extend(event_ids)
        if self._confirmed:
            self._to_forget.set()

    async def confirmed(self) -> None:
        """Wait until there is something to forget."""
        await self._to_forget.wait()

    def take_confirmed(self) -> list[UUID]:
        """What can be forgotten now; whoever takes it deletes the rows, or gives it back with `confirm`."""
        taken, self._confirmed = self._confirmed, []
        self._to_forget.clear()
        return taken

    async def sweep(self, database: "Database") -> None:
        """For ever: publish what nobody is publishing."""
        await _for_ever(lambda: self._sweep_once(database), SWEEP_INTERVAL)

    async def forget(self, database: "Database") -> None:
        """For ever: drop confirmed rows that no other transaction took along."""

        async def once() -> None:
            await self.confirmed()
            await asyncio.sleep(FORGET_DELAY)
            await database.run(_nothing)

        await _for_ever(once, pause=0)

    async def drain(self, database: "Database", pumps: Collection[asyncio.Task[None]], seconds: float) -> None:
        """Wait for what is on its way, and forget what the broker has confirmed of it."""
        self._outgoing.end()
        await asyncio.wait(pumps, timeout=seconds)
        if self._confirmed:
            await database.run(_nothing)

    def _mind_room(self) -> None:
        if len(self._held) < FULL:
            self._room.set()
        else:
            self._room.clear()

    async def _publish(self, messages: Sequence[Outgoing]) -> None:
        confirmed = await self._publisher.publish(messages)
        crash_point(Point.AFTER_CONFIRM, (message.routing_key for message in messages))
        self.confirm(confirmed)

    async def _sweep_once(self, database: "Database") -> None:
        async def take_over(transaction: "Transaction") -> list[Outgoing]:
            return await outbox.lease(transaction.connection, SWEEP_MOST)

        found = SWEEP_MOST
        while self._publisher.connected and found == SWEEP_MOST:
            await self.room()
            messages = await database.run(take_over)
            found = len(messages)
            for message in messages:
                if message.attempts >= ALARMING_ATTEMPTS:
                    log.error("event cannot be published", said=message.routing_key, attempts=message.attempts)
            self.send(messages)


async def _nothing(_: "Transaction") -> None:
    """A transaction without work of its own: it takes the confirmed rows along."""


async def _for_ever(once: Callable[[], Awaitable[None]], pause: float) -> None:
    """Repeat, whatever happens: what failed is still in the outbox, and the next round finds it."""
    while True:
        try:
            await once()
        except Exception as error:  # noqa: BLE001  # a relay that dies would be the silent end of all events
            log.warning("relay round failed", error=describe(error))
            await asyncio.sleep(SWEEP_INTERVAL)
        await asyncio.sleep(pause)
