"""Summing: the row of each saga, and what it is found by, written for many sagas at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from window.auditing import FACTS
from window.choreography import Choreography
from window.conservation import facts_of
from window.database import Connection
from window.mentions import USER, mentions
from window.message import Message
from window.story import Story, Way
from window.telling import GRACE

MAX_REASON = 200
MARGIN = timedelta(seconds=1)
_SAGAS = """
    INSERT INTO saga (saga_id, saga, state, way, outcome, reason, begun_at, last_at, ended_at, last_event, events,
        retries, parked, retrying, is_late, oddities, told, due_at, facts, seen_at)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
        $8::timestamptz[], $9::timestamptz[], $10::text[], $11::int[], $12::int[], $13::int[], $14::int[],
        $15::boolean[], $16::int[], $17::bigint[], $18::timestamptz[], $19::text[], $20::timestamptz[])
    ON CONFLICT (saga_id) DO UPDATE SET saga = excluded.saga, state = excluded.state, way = excluded.way,
        outcome = excluded.outcome, reason = excluded.reason, begun_at = excluded.begun_at, last_at = excluded.last_at,
        ended_at = excluded.ended_at, last_event = excluded.last_event, events = excluded.events,
        retries = excluded.retries, parked = excluded.parked, retrying = excluded.retrying,
        is_late = excluded.is_late, oddities = excluded.oddities, told = excluded.told, due_at = excluded.due_at,
        facts = excluded.facts, seen_at = excluded.seen_at
    RETURNING saga_id, key
    """
_KINDS = "INSERT INTO kind (saga, state) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING"
_MENTIONS = """
    INSERT INTO mention (value, key, kind, seen_at)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[]) ON CONFLICT DO NOTHING
    """
_PEOPLE = """
    INSERT INTO person (user_id, key, seen_at)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) ON CONFLICT DO NOTHING
    """


@dataclass(frozen=True, slots=True)
class Retold:
    """A saga that was told anew."""

    saga_id: UUID
    story: Story
    messages: Sequence[Message]
    known: int = 0
    """The number of the newest of its messages that was told before"""

    @property
    def seen_at(self) -> datetime:
        """When its last message was seen."""
        return max(message.seen_at for message in self.messages)

    @property
    def state(self) -> str:
        """Which way it goes, or what has become of it."""
        return (self.story.outcome if self.story.way is Way.ENDED else None) or self.story.way.value


async def write(connection: Connection, retold: Sequence[Retold], choreography: Choreography, now: datetime) -> None:
    """Write the rows of sagas, and what they are found by."""
    if not retold:
        return
    # In one order, whoever writes: nobody waits for somebody who waits.
    rows = [_row(one, choreography, now) for one in sorted(retold, key=lambda one: one.saga_id)]
    written = await connection.fetch(_SAGAS, *_columns(rows, 20))
    keys = {row["saga_id"]: row["key"] for row in written}
    kinds = sorted({(one.story.saga, one.state) for one in retold})
    await connection.execute(_KINDS, *_columns(kinds, 2))
    await _write_mentions(connection, retold, keys)


async def _write_mentions(connection: Connection, retold: Sequence[Retold], keys: Mapping[UUID, int]) -> None:
    named, people = [], []
    for one in retold:
        key, seen_at = keys[one.saga_id], one.seen_at
        for kind, value in mentions(one.story, (message for message in one.messages if message.number > one.known)):
            if kind == USER:
                people.append((value, key, seen_at))
            else:
                named.append((value, key, kind, seen_at))
    await connection.execute(_MENTIONS, *_columns(sorted(named), 4))
    await connection.execute(_PEOPLE, *_columns(sorted(people), 3))


def _row(one: Retold, choreography: Choreography, now: datetime) -> tuple[object, ...]:
    story = one.story
    attempts = [attempt for happening in story.happenings for attempt in happening.attempts]
    attempts += [attempt for wait in story.waits for attempt in wait.attempts]
    return (
        one.saga_id,
        story.saga[:64],
        one.state[:64],
        story.way.value,
        story.outcome,
        story.reason[:MAX_REASON] if story.reason else None,
        story.begun_at,
        story.last_at,
        story.ended_at,
        story.happenings[-1].message.event if story.happenings else "?",
        len(story.happenings),
        sum(attempt.delay is not None for attempt in attempts),
        sum(wait.is_parked for wait in story.waits),
        sum(bool(wait.attempts) and not wait.is_parked for wait in story.waits),
        story.is_late,
        len(story.oddities),
        max(message.number for message in one.messages),
        _due(story, now),
        FACTS.dump_json(facts_of(story, choreography)).decode(),
        one.seen_at,
    )


def _due(story: Story, now: datetime) -> datetime | None:
    """When a saga has to be told again although nothing was said: it is late from then on."""
    if story.deadline is None or story.is_late or story.way is Way.ENDED:
        return None
    due = story.deadline + GRACE + MARGIN
    return due if due > now else None


def _columns(rows: Sequence[Sequence[object]], width: int) -> list[list[object]]:
    return [[row[index] for row in rows] for index in range(width)]
