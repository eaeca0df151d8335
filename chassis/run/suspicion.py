"""Suspicion: which deliveries may have ended the process that handled them, so that each of them is handled alone.

A delivery that comes again was handed out before to a session that ended, most often because somebody stopped the
process, or a connection was lost. So those that come again for the first time are noted, under the id of this process,
and handled together like any others. Only those that another process has noted, and not brought to an end, are handled
one by one, in the whole process, each noted right before; so that when it dies, the one that was being handled has one
more process against it than its neighbours. A process that lives, and has only lost its connection, is counted once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from aiormq.abc import DeliveredMessage

from chassis.errors import DeadlyMessageError
from chassis.ids import new_id
from chassis.run.delivery import Delivery
from chassis.run.judge import Judge
from chassis.store import suspects

MAX_DEATHS = 10
"""How many processes may have died of a message, before it is no longer handled.

It has to be more than the six that can come of one message while everything is killed at every crash point.
"""


@dataclass(frozen=True)
class Life:
    """One life of a process, as others will know that it has ended."""

    id: UUID = field(default_factory=new_id)
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a suspect is handled, so that there is one at a time"""


LIFE = Life()
"""That of this process"""


class Sorted(NamedTuple):
    """Deliveries by how they are to be handled: with each other, each by itself, not at all."""

    together: list[Delivery]
    alone: list[Delivery]
    deadly: list[tuple[DeliveredMessage, Exception]]


class Suspicion:
    """What is suspected of the deliveries of one step."""

    def __init__(self, step: str, judge: Judge, life: Life) -> None:
        self._step = step
        self._judge = judge
        self._life = life

    async def sort(self, deliveries: Sequence[Delivery]) -> Sorted:
        """How to handle these deliveries."""
        sorted_ = Sorted([], [], [])
        deaths = await self._deaths(deliveries)
        for one in deliveries:
            count = deaths.get(one.envelope.event_id, 0)
            if count >= MAX_DEATHS:
                reason = DeadlyMessageError(f"{count} processes died while they handled it")
                sorted_.deadly.append((one.message, reason))
            elif count:
                sorted_.alone.append(one)
            else:
                sorted_.together.append(one)
        await self._note([one for one in sorted_.together if one.came_again])
        return sorted_

    @contextlib.asynccontextmanager
    async def alone(self, delivery: Delivery) -> AsyncIterator[None]:
        """While the context lasts, no other suspect is handled in this process."""
        async with self._life.alone:
            await self._note([delivery])
            yield

    async def cleared(self, deliveries: Sequence[Delivery]) -> None:
        """The deliveries have been brought to an end, good or bad."""
        again = _again(deliveries)
        if again:
            await self._judge.surely(lambda transaction: suspects.clear(transaction, self._step, again))

    async def _deaths(self, deliveries: Sequence[Delivery]) -> dict[UUID, int]:
        again = _again(deliveries)
        if not again:
            return {}
        return await self._judge.surely(
            lambda transaction: suspects.deaths(transaction, self._step, again, self._life.id)
        )

    async def _note(self, deliveries: Sequence[Delivery]) -> None:
        event_ids = [one.envelope.event_id for one in deliveries]
        if event_ids:
            await self._judge.surely(
                lambda transaction: suspects.note(transaction, self._step, event_ids, self._life.id)
            )


def _again(deliveries: Sequence[Delivery]) -> list[UUID]:
    return [one.envelope.event_id for one in deliveries if one.came_again]
