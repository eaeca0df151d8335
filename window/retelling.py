"""Retelling: keeps a row for each saga, told anew whenever messages of it have been stored.

It runs beside the listener, which only stores: under load a saga is told once or twice instead of at each message.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import structlog

from chassis.errors import describe
from window import numbers, tally
from window.choreography import Choreography
from window.database import TELLING, Connection, Pool, Row, lock
from window.rows import of_sagas
from window.summing import Retold, write
from window.telling import tell

log = structlog.get_logger(__name__)

PAUSE, LONGEST_PAUSE = 0.25, 2.0
"""Seconds between two rounds, and when rounds take long: as long as the last one took, up to this"""
MAX_MESSAGES, MAX_SAGAS, MAX_DUE, AT_ONCE = 4_000, 600, 200, 20
_NEW = "SELECT number, saga_id FROM message WHERE number > $1 ORDER BY number LIMIT $2"
_REACHED = "SELECT number FROM reached WHERE by = 'telling'"
_REACH = """
    INSERT INTO reached (by, number) VALUES ('telling', $1) ON CONFLICT (by) DO UPDATE SET number = excluded.number
    """
_DUE = "SELECT saga_id FROM saga WHERE due_at < $1 ORDER BY due_at LIMIT $2"
_OLD = "SELECT saga_id, told, ended_at IS NOT NULL AS has_ended, oddities FROM saga WHERE saga_id = ANY($1)"


@dataclass(frozen=True, slots=True)
class _Old:
    """What was known of a saga before."""

    told: int = 0
    has_ended: bool = False
    oddities: int = 0


class Retelling:
    """Tells sagas as their messages come in."""

    def __init__(self, pool: Pool, choreography: Choreography) -> None:
        self._pool = pool
        self._choreography = choreography
        self.reached = 0
        """The number of the newest message that was told"""
        self.trouble: str | None = None
        self._moved = asyncio.Condition()

    async def run(self) -> None:
        """Tell for good; what fails is tried again."""
        while True:
            began = _now()
            try:
                more = await self.round()
                self.trouble = None
            except asyncpg.LockNotAvailableError:
                more = False  # another process tells, which is as good
            except Exception as error:  # noqa: BLE001  # whatever it was, the next round shows whether it lasts
                more, self.trouble = False, describe(error)
                log.warning("sagas not told", error=self.trouble)
            took = _now() - began
            await asyncio.sleep(min(took, LONGEST_PAUSE) if more else min(max(took, PAUSE), LONGEST_PAUSE))

    async def moved(self, since: int, seconds: float) -> int:
        """The number of the newest message that was told, once it is larger than `since` or the time is up."""
        try:
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait_for(lambda: self.reached > since)
        except TimeoutError:
            pass
        return self.reached

    async def round(self, now: datetime | None = None) -> bool:
        """Tell what is new and what is due; whether there is more."""
        now = now or datetime.now(UTC)
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, TELLING)
            reached = await connection.fetchval(_REACHED) or 0
            new = await connection.fetch(_NEW, reached, MAX_MESSAGES)
            sagas, last = _first_sagas(new, reached)
            due = [row["saga_id"] for row in await connection.fetch(_DUE, now, MAX_DUE)]
            if wanted := list(dict.fromkeys([*sagas, *due])):
                await self._tell(connection, wanted, now)
            if last > reached:
                await connection.execute(_REACH, last)
        numbers.behind.set(len(new) - sum(row["number"] <= last for row in new))
        async with self._moved:
            self.reached = last
            self._moved.notify_all()
        return len(new) == MAX_MESSAGES or bool(new and last < new[-1]["number"])

    async def _tell(self, connection: Connection, wanted: list[UUID], now: datetime) -> None:
        found = await connection.fetch(_OLD, wanted)
        old = {row["saga_id"]: _Old(row["told"], row["has_ended"], row["oddities"]) for row in found}
        retold: list[Retold] = []
        for index, (saga_id, messages) in enumerate((await of_sagas(connection, wanted, headers=False)).items()):
            if index % AT_ONCE == 0:
                await asyncio.sleep(0)
            known = old.get(saga_id, _Old()).told
            retold.append(Retold(saga_id, tell(messages, self._choreography, now), messages, known))
        await write(connection, retold, self._choreography, now)
        counted: tally.Counted = Counter()
        for one in retold:
            _count(counted, one, old.get(one.saga_id, _Old()))
        await tally.add(connection, counted)
        numbers.told.inc(len(retold))


def _first_sagas(new: Iterable[Row], reached: int) -> tuple[list[UUID], int]:
    """The sagas of the first messages, so many that a round stays short, and the last of those messages."""
    sagas = dict[UUID, None]()
    for row in new:
        if row["saga_id"] is not None:
            if len(sagas) == MAX_SAGAS and row["saga_id"] not in sagas:
                break
            sagas[row["saga_id"]] = None
        reached = row["number"]
    return list(sagas), reached


def _count(counted: tally.Counted, one: Retold, old: _Old) -> None:
    """Count what was not counted before: its begin, its end, its answers, its oddities."""
    story = one.story
    if not old.told:
        tally.count(counted, story.begun_at, tally.BEGUN)
    if story.ended_at and not old.has_ended:
        what = tally.FAILED if story.reason else tally.COMPLETED
        tally.count(counted, story.ended_at, what, story.ended_at - story.begun_at)
    for happening in story.happenings:
        if happening.step and happening.cause is not None and happening.message.number > old.told:
            since = story.happenings[happening.cause].message.occurred_at
            took = happening.message.occurred_at - since
            tally.count(counted, happening.message.occurred_at, f"{tally.STEP}{happening.step}", took)
    for oddity in story.oddities[old.oddities :]:
        numbers.oddities.labels(oddity.kind).inc()


def _now() -> float:
    return asyncio.get_running_loop().time()
