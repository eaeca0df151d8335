"""Looks over the archive and the numbers of the broker."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from window import queries, tally
from window.auditing import Auditing
from window.broker_numbers import BrokerNumbers
from window.choreography import Choreography
from window.database import Pool, Row
from window.gaps import Gaps
from window.looks import Filter, Finding, Gap, Minute, PutAside, StepNumbers, Summary
from window.message import Message
from window.retelling import Retelling
from window.rows import message, of_sagas
from window.story import Story, Way
from window.telling import tell

NEWEST = 2**63 - 1
MAX_LISTED, MAX_RESOLVED = 500, 50
MOVED_SECONDS = 15.0
LATELY, RECENT, HOUR = timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1)
_UNDER_WAY = [Way.OUT.value, Way.BACK.value]


class StoreLooks:
    """What the window knows; it asks the archive each time, and the broker now and then."""

    def __init__(
        self,
        pool: Pool,
        choreography: Choreography,
        broker: BrokerNumbers,
        retelling: Retelling,
        gaps: Gaps,
        auditing: Auditing,
    ) -> None:
        self._pool = pool
        self._choreography = choreography
        self._broker = broker
        self._retelling = retelling
        self._gaps = gaps
        self._auditing = auditing

    async def story(self, saga_id: UUID) -> Story | None:
        """The whole of a saga; None when nothing of it was seen."""
        async with self._pool.acquire() as connection:
            messages = (await of_sagas(connection, [saga_id])).get(saga_id)
        return tell(messages, self._choreography, datetime.now(UTC)) if messages else None

    async def message(self, saga_id: UUID, event_id: UUID) -> Sequence[Message]:
        """All that was seen of an event, the newest last."""
        return [message(row) for row in await self._pool.fetch(queries.EVENT, saga_id, event_id)]

    async def sagas(self, wanted: Filter, after: int | None, limit: int) -> Sequence[Summary]:
        """Sagas, the newest first, from a key on."""
        limit, below = max(1, min(limit, MAX_LISTED)), NEWEST if after is None else after
        if wanted.user or wanted.text.strip():
            return await self._mentioned(wanted, below, limit)
        if flag := queries.FLAGS.get(wanted.state):
            query = queries.FLAGGED.format(flag=flag)
            return _summaries(await self._pool.fetch(query, wanted.saga, below, limit))
        is_any_end = wanted.state == Way.ENDED
        states = [wanted.state] if wanted.state else None
        return _summaries(
            await self._pool.fetch(queries.BY_STATE, wanted.saga, states, below, limit, is_any_end, _UNDER_WAY)
        )

    async def _mentioned(self, wanted: Filter, below: int, limit: int) -> list[Summary]:
        if condition := queries.RARE.get(wanted.state):
            query = queries.RARE_WITH_TEXT.format(condition=condition)
            text, saga_id = (None, None) if wanted.user else _named(wanted.text.strip())
            user_id = wanted.user.replace("\0", "") or text
            return _summaries(await self._pool.fetch(query, wanted.saga, below, limit, text, saga_id, user_id))
        found: list[Summary] = []
        at_once = queries.MAX_FOUND if wanted.state or wanted.saga else limit
        for _ in range(queries.MAX_ROUNDS):
            keys = await self._keys_for(wanted, below, at_once)
            found += await self._by_keys(keys, wanted, limit - len(found))
            if len(keys) < at_once or len(found) == limit:
                break
            below = keys[-1]
        return found

    async def _by_keys(self, keys: list[int], wanted: Filter, limit: int) -> list[Summary]:
        return _summaries(await self._pool.fetch(queries.BY_KEY, keys, wanted.saga, wanted.state, limit))

    async def _keys_for(self, wanted: Filter, below: int, limit: int) -> list[int]:
        if not wanted.user:
            return await self._keys(wanted.text.strip(), below, limit)
        user_id = wanted.user.replace("\0", "")
        return [row["key"] for row in await self._pool.fetch(queries.KEYS_OF_USER, user_id, below, limit)]

    async def _keys(self, text: str, below: int, limit: int) -> list[int]:
        value, saga_id = _named(text)
        rows = await self._pool.fetch(queries.KEYS, value, below, limit, saga_id)
        return [row["key"] for row in rows]

    async def slowest(self, limit: int) -> Sequence[Summary]:
        """Sagas in flight, the oldest first."""
        return _summaries(await self._pool.fetch(queries.IN_FLIGHT, max(1, min(limit, MAX_LISTED)), _UNDER_WAY))

    async def resolve(self, text: str) -> Sequence[UUID]:
        """The sagas that a saga, payment, reservation, checkout, user or seat names, the newest first."""
        keys = await self._keys(text.strip(), NEWEST, MAX_RESOLVED)
        return [one.saga_id for one in await self._by_keys(keys, Filter(), MAX_RESOLVED)]

    async def steps(self) -> Mapping[str, StepNumbers]:
        """Numbers of all steps, by queue."""
        now = datetime.now(UTC)
        queues = await self._broker.queues() or {}
        aside = {(row["step"], row["is_parked"]): row["count"] for row in await self._pool.fetch(queries.ASIDE)}
        answers = defaultdict[str, list[Row]](list)
        names = [f"{tally.STEP}{step}" for step in self._choreography.steps]
        for row in await self._pool.fetch(queries.ANSWERS, now - RECENT, now - LATELY, names):
            answers[row["what"].removeprefix(tally.STEP)].append(row)
        return {
            step: StepNumbers(
                rate=sum(one["lately"] for one in answers[step]) / LATELY.total_seconds(),
                backlog=queues[step].messages if step in queues else None,
                consumers=queues[step].consumers if step in queues else None,
                retrying=aside.get((step, False), 0),
                parked=aside.get((step, True), 0),
                milliseconds=_median(answers[step]),
            )
            for step in self._choreography.steps
        }

    async def hour(self) -> Sequence[Minute]:
        """The last sixty minutes."""
        now = datetime.now(UTC)
        first = now.replace(second=0, microsecond=0) - HOUR + LATELY
        minutes = defaultdict[datetime, list[Row]](list)
        for row in await self._pool.fetch(queries.MINUTES, first, [tally.BEGUN, tally.COMPLETED, tally.FAILED]):
            minutes[row["at"]].append(row)
        return [_minute(at, minutes[at]) for at in (first + index * LATELY for index in range(60))]

    async def put_aside(self, after: int | None, limit: int) -> Sequence[PutAside]:
        """What rests or is parked, the newest first, from a number on."""
        below = NEWEST if after is None else after
        rows = await self._pool.fetch(queries.PUT_ASIDE, below, max(1, min(limit, MAX_LISTED)))
        return [PutAside(message(row), row["until"]) for row in rows]

    async def discarded(self, step: str, event_id: UUID) -> None:
        """What a step had put aside is there no more."""
        await self._pool.execute(queries.FORGET_ASIDE, event_id, step)

    async def gaps(self) -> Sequence[Gap]:
        """What is missing, the newest first."""
        return await self._gaps.known()

    async def filled(self, number: int, operator: str) -> bool:
        """Note that a gap was asked to be filled; whether that is news."""
        return await self._gaps.filled(number, operator)

    async def audit(self) -> Sequence[Finding]:
        """The rules of conservation, judged by events alone."""
        return await self._auditing.findings()

    async def moved(self, since: int) -> int:
        """The number of the newest message; returns when it is larger than `since`, or after some seconds."""
        return await self._retelling.moved(since, MOVED_SECONDS)


def _summaries(rows: Iterable[Row]) -> list[Summary]:
    return [Summary(**{**row, "way": Way(row["way"])}) for row in rows]


def _named(text: str) -> tuple[str, UUID | None]:
    """What is looked for, as it is kept, and the same as an id if it is one."""
    try:
        saga_id: UUID | None = UUID(text)
    except ValueError:
        saga_id = None
    return str(saga_id or text).replace("\0", "")[:64], saga_id


def _median(rows: Iterable[Row]) -> float | None:
    return tally.median((row["bucket"], row["count"]) for row in rows)


def _minute(at: datetime, rows: Sequence[Row]) -> Minute:
    def counted(what: str) -> int:
        return sum(row["count"] for row in rows if row["what"] == what)

    return Minute(
        at=at,
        begun=counted(tally.BEGUN),
        completed=counted(tally.COMPLETED),
        failed=counted(tally.FAILED),
        milliseconds=_median(row for row in rows if row["what"] != tally.BEGUN),
    )
