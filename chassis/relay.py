"""Relay: brings what the outbox holds to the broker, and drops what the broker has confirmed.

A message is published from memory right after its commit. The sweeper is for what a crash or an outage left
behind; both may publish the same message, which the inbox of the receiver tells apart.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from chassis import outbox
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


class Relay:
    """The messages of one process on their way from the outbox to the broker."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._confirmed: list[UUID] = []
        self._to_forget = asyncio.Event()
        self._publishing: set[asyncio.Task[None]] = set()

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Publish messages that have just been committed, in the background."""
        if messages:
            task = asyncio.create_task(self._publish(messages))
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)

    def confirm(self, event_ids: Iterable[UUID]) -> None:
        """Note that the broker has these, so their rows can go."""
        self._confirmed.extend(event_ids)
        if self._confirmed:
            self._to_forget.set()

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
            await self._to_forget.wait()
            await asyncio.sleep(FORGET_DELAY)
            await database.run(_nothing)

        await _for_ever(once, pause=0)

    async def drain(self, database: "Database", seconds: float) -> None:
        """Wait for the publishes under way, and forget what they brought home."""
        if self._publishing:
            await asyncio.wait(self._publishing, timeout=seconds)
        if self._confirmed:
            await database.run(_nothing)

    async def _publish(self, messages: Sequence[Outgoing]) -> None:
        confirmed = await self._publisher.publish(messages)
        crash_point(Point.AFTER_CONFIRM, (message.routing_key for message in messages))
        self.confirm(confirmed)

    async def _sweep_once(self, database: "Database") -> None:
        if not self._publisher.connected:
            return

        async def take_over(transaction: "Transaction") -> list[Outgoing]:
            return await outbox.lease(transaction.session, SWEEP_MOST)

        messages = await database.run(take_over)
        for message in messages:
            if message.attempts >= ALARMING_ATTEMPTS:
                log.error("event cannot be published", said=message.routing_key, attempts=message.attempts)
        await self._publish(messages)


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
