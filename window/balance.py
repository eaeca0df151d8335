"""Balance: what came into the window's queue is taken out of it or still there; the rest is lost."""

from dataclasses import dataclass
from datetime import UTC, datetime

from window.broker_numbers import QueueNumbers
from window.database import Pool
from window.settings import QUEUE

_LAST = "SELECT published, acknowledged, lost, at FROM balance WHERE queue = $1"
_KEEP = """
    INSERT INTO balance (queue, published, acknowledged, lost, at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (queue) DO UPDATE SET published = excluded.published, acknowledged = excluded.acknowledged,
        lost = excluded.lost, at = excluded.at
    """


@dataclass(frozen=True, slots=True)
class Loss:
    """So many messages were never taken, since the last time that the books were even."""

    count: int
    since: datetime
    until: datetime


class Balance:
    """Keeps the books of the queue: a full queue drops messages, and an administrator may empty it.

    The broker counts now and then, each part when it likes. So only numbers that have not changed between two looks are
    compared; while messages pass without a pause, nothing is judged, and what is missing is found after that.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._seen: QueueNumbers | None = None

    async def strike(self, queue: QueueNumbers, now: datetime | None = None) -> Loss | None:
        """What is lost since the books were struck the last time."""
        before, self._seen = self._seen, queue
        if queue != before:
            return None
        now = now or datetime.now(UTC)
        last = await self._pool.fetchrow(_LAST, QUEUE)
        lost = queue.published - queue.acknowledged - queue.messages
        await self._pool.execute(_KEEP, QUEUE, queue.published, queue.acknowledged, lost, now)
        # A node that was started anew, or a queue that was made anew, counts from nothing.
        if last is None or queue.published < last["published"] or queue.acknowledged < last["acknowledged"]:
            return None
        return Loss(lost - last["lost"], last["at"], now) if lost > last["lost"] else None
