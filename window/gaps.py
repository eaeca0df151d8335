"""Gaps: times of which the window has not seen everything, because its queue was full, gone or bound to less."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import structlog

from chassis.errors import describe
from window import numbers
from window.balance import Balance, Loss
from window.broker_numbers import FULL, BrokerNumbers, QueueNumbers
from window.database import Pool
from window.looks import Gap
from window.settings import QUEUE

log = structlog.get_logger(__name__)

PAUSE = 5.0
_BEGIN = """
    INSERT INTO gap (why, since)
    SELECT $1::text, coalesce((SELECT max(seen_at) FROM message), $2) WHERE NOT EXISTS (
        SELECT FROM gap WHERE until IS NULL AND why = $1::text
    ) RETURNING number
    """
_END = "UPDATE gap SET until = $2 WHERE until IS NULL AND NOT why = ANY($1::text[])"
_COUNT = """
    UPDATE gap SET lost = coalesce(lost, 0) + $1 WHERE number = (
        SELECT number FROM gap WHERE until IS NULL OR (until > $2 AND filled_at IS NULL) ORDER BY since DESC LIMIT 1
    ) RETURNING number
    """
_LOST = "INSERT INTO gap (why, since, until, lost) VALUES ('messages were taken away', $2, $3, $1)"
_ALL = """
    SELECT number, since, until, lost, filled_at, filled_by, why FROM gap ORDER BY since DESC, number DESC LIMIT $1
    """
_FILLED = "UPDATE gap SET filled_at = $2, filled_by = $3 WHERE number = $1 AND filled_at IS NULL RETURNING number"
MAX_LISTED = 100


class Gaps:
    """Notes when something is missed, and until when."""

    def __init__(self, pool: Pool, broker: BrokerNumbers, exchanges: Sequence[str]) -> None:
        self._pool = pool
        self._broker = broker
        self._balance = Balance(pool)
        self._exchanges = set(exchanges)

    async def run(self) -> None:
        """Look for good."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001  # the next look shows whether it lasts
                log.warning("gaps not looked for", error=describe(error))
            await asyncio.sleep(PAUSE)

    async def look(self) -> None:
        """Begin or end gaps as the broker has it; nothing is known while it does not answer."""
        queues = await self._broker.queues()
        bound = await self._broker.bound()
        if queues is not None and bound is not None:
            await self.note(self._troubles(queues, bound))
            if (queue := queues.get(QUEUE)) and (loss := await self._balance.strike(queue)):
                await self.lose(loss)

    def _troubles(self, queues: Mapping[str, QueueNumbers], bound: set[str]) -> list[str]:
        queue = queues.get(QUEUE)
        numbers.gone.set(queue is None or not self._exchanges <= bound)
        if queue is None:
            return ["the queue is gone"]
        full = ["the queue is full"] if queue.fill >= FULL else []
        return full if self._exchanges <= bound else [*full, "a binding is missing"]

    async def note(self, troubles: Sequence[str], now: datetime | None = None) -> None:
        """Begin a gap for each trouble that is new, and end those whose trouble is over."""
        now = now or datetime.now(UTC)
        async with self._pool.acquire() as connection, connection.transaction():
            for why in troubles:
                if await connection.fetchval(_BEGIN, why, now) is not None:
                    numbers.gaps.inc()
                    log.error("the window misses messages", reason=why)
            await connection.execute(_END, list(troubles), now)

    async def lose(self, loss: Loss) -> None:
        """Count what is lost to the gap that explains it, else begin and end one for it."""
        if await self._pool.fetchval(_COUNT, loss.count, loss.since) is None:
            await self._pool.execute(_LOST, loss.count, loss.since, loss.until)
            numbers.gaps.inc()
        log.error("the window has lost messages", count=loss.count, since=loss.since.isoformat())

    async def known(self) -> list[Gap]:
        """The gaps, the newest first; one that goes on lasts until now."""
        now = datetime.now(UTC)
        return [Gap(**{**row, "until": row["until"] or now}) for row in await self._pool.fetch(_ALL, MAX_LISTED)]

    async def filled(self, number: int, operator: str) -> bool:
        """Note who has had the services say again what a gap may have swallowed; whether that is news."""
        return await self._pool.fetchval(_FILLED, number, datetime.now(UTC), operator[:64]) is not None
