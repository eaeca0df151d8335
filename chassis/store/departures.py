"""Departures: what this process has committed to its outbox and does not yet know to be at the broker.

They are held in memory, so that a message is published right after its commit, and a confirmed one is dropped from the
outbox by whichever transaction comes next.
"""

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID

from chassis.arrivals import Arrivals
from chassis.store.outbox import Outgoing

FULL = 1_000


class Departures:
    """The messages of one process on their way from the outbox to the broker."""

    def __init__(self) -> None:
        self._outgoing = Arrivals[Outgoing]()
        self._held: set[UUID] = set()
        self._room = asyncio.Event()
        self._room.set()
        self._confirmed: list[UUID] = []
        self._leaving: set[UUID] = set()
        """What the broker has, and the outbox still holds"""
        self._to_forget = asyncio.Event()

    def __contains__(self, message: Outgoing) -> bool:
        """Whether a message is on its way, or has arrived and is still to be dropped from the outbox."""
        return message.event_id in self._held or message.event_id in self._leaving

    def send(self, messages: Iterable[Outgoing]) -> None:
        """Queue committed messages unless already in flight."""
        for message in messages:
            if message not in self:
                self._held.add(message.event_id)
                self._outgoing.put(message)
        self._mind_room()

    @property
    def held(self) -> frozenset[UUID]:
        """The ids of what is on its way."""
        return frozenset(self._held)

    @property
    def full(self) -> bool:
        """Whether more is in flight than the broker takes within the lease of a row."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Wait while more is in flight than the broker takes within the lease of a row.

        Whoever commits faster than that would have the sweeper publish everything once more.
        """
        await self._room.wait()

    async def take(self, limit: int) -> list[Outgoing]:
        """Up to `limit` messages to publish, at least one; empty after `end`."""
        return await self._outgoing.take(limit)

    def landed(self, messages: Sequence[Outgoing], confirmed: Iterable[UUID]) -> None:
        """Note that these have been published, and which of them the broker has confirmed."""
        self.confirm(confirmed)
        self._held.difference_update(message.event_id for message in messages)
        self._mind_room()

    def confirm(self, event_ids: Iterable[UUID]) -> None:
        """Note that the broker has these, so their rows can go."""
        ids = tuple(event_ids)
        self._confirmed.extend(ids)
        self._leaving.update(ids)
        if self._confirmed:
            self._to_forget.set()

    @property
    def has_confirmed(self) -> bool:
        """Whether some rows can be deleted."""
        return bool(self._confirmed)

    async def confirmed(self) -> None:
        """Wait until some rows can be deleted."""
        await self._to_forget.wait()

    def take_confirmed(self) -> list[UUID]:
        """The confirmed ids. The caller deletes their rows and says so, or returns the ids with `confirm`."""
        taken, self._confirmed = self._confirmed, []
        self._to_forget.clear()
        return taken

    def forgotten(self, event_ids: Iterable[UUID]) -> None:
        """Note that the outbox does not hold these any more."""
        self._leaving.difference_update(event_ids)

    def end(self) -> None:
        """Queue nothing more; `take` still returns what is queued."""
        self._outgoing.end()

    def _mind_room(self) -> None:
        if len(self._held) < FULL:
            self._room.set()
        else:
            self._room.clear()
