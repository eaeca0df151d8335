"""Suspicion: which deliveries may have ended the process that handled them, so that each of them is handled alone.

A delivery that comes again was handed out before to a session that ended, most often because somebody stopped the
process. So those that come again for the first time are noted, and handled together like any others. Only those that
were noted before, and still come again, are handled one by one, each noted anew right before; so that after another
death of the process the one that was being handled then has been noted once more than its neighbours.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from aiormq.abc import DeliveredMessage

from chassis.errors import DeadlyMessageError
from chassis.run.delivery import Delivery
from chassis.run.judge import Judge
from chassis.store import suspects

MAX_DEATHS = 3
"""How often a message may have been noted, before it is no longer handled"""


class Sorted(NamedTuple):
    """Deliveries by how they are to be handled: with each other, each by itself, not at all."""

    together: list[Delivery]
    alone: list[Delivery]
    deadly: list[tuple[DeliveredMessage, Exception]]


class Suspicion:
    """What is suspected of the deliveries of one step."""

    def __init__(self, step: str, judge: Judge) -> None:
        self._step = step
        self._judge = judge

    async def sort(self, deliveries: Sequence[Delivery]) -> Sorted:
        """How to handle these deliveries."""
        sorted_ = Sorted([], [], [])
        times = await self._times(deliveries)
        await self._note([one for one in deliveries if one.came_again and not times.get(one.envelope.event_id)])
        for one in deliveries:
            count = times.get(one.envelope.event_id, 0)
            if count >= MAX_DEATHS:
                sorted_.deadly.append(
                    (one.message, DeadlyMessageError(f"{count} times its process died while it was handled"))
                )
            elif count:
                sorted_.alone.append(one)
            else:
                sorted_.together.append(one)
        return sorted_

    async def before(self, delivery: Delivery) -> None:
        """The delivery is about to be handled alone."""
        if delivery.came_again:
            await self._note([delivery])

    async def cleared(self, deliveries: Sequence[Delivery]) -> None:
        """The deliveries have been brought to an end, good or bad."""
        again = [one.envelope.event_id for one in deliveries if one.came_again]
        if again:
            await self._judge.surely(lambda transaction: suspects.clear(transaction, self._step, again))

    async def _times(self, deliveries: Sequence[Delivery]) -> dict[UUID, int]:
        again = [one.envelope.event_id for one in deliveries if one.came_again]
        if not again:
            return {}
        return await self._judge.surely(lambda transaction: suspects.times(transaction, self._step, again))

    async def _note(self, deliveries: Sequence[Delivery]) -> None:
        event_ids = [one.envelope.event_id for one in deliveries]
        if event_ids:
            await self._judge.surely(lambda transaction: suspects.note(transaction, self._step, event_ids))
