"""Said: what the broker has confirmed, kept for a while so that it can be said again.

A confirm proves that some queue took an event, not that it was the queue of the step that has to hear it, and not that
this queue is still there. So a confirmed message moves from the outbox to here. When it is asked for, it moves back,
and takes the usual way once more; the inbox of its hearer tells whether it is news.
"""

from collections.abc import Collection, Sequence, Set
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

from chassis.store.models import Timestamp, frame, message_columns

said = sa.Table(
    "said",
    frame,
    sa.Column("event_id", sa.Uuid, nullable=False),
    *message_columns(),
    sa.Column("at", Timestamp, nullable=False),
    sa.Index("ix_said_at", "at"),
    sa.Index("ix_said_saga_id", "saga_id"),
)
asked = sa.Table(
    "asked",
    frame,
    sa.Column("event", sa.String(64), primary_key=True),
    sa.Column("at", Timestamp, nullable=False),
    sa.Column("since", Timestamp, nullable=False),
    sa.Column("reached", Timestamp),
    sa.Column("begun", Timestamp, nullable=False, server_default=sa.text("'-infinity'")),
    sa.Column("pause", sa.Interval, nullable=False, server_default=sa.text("'0'")),
)
own_queue = sa.Table(
    "own_queue",
    frame,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("lost_at", Timestamp),
)

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=10)
"""How long an event is not begun again that has just been: twice as long each time, until nobody asks for a while"""

COLUMNS = "event_id, saga_id, routing_key, mandatory, headers, body"
_ASK = """
    INSERT INTO asked (event, at, since)
    SELECT event, clock_timestamp(), clock_timestamp() - $2::interval FROM unnest($1::text[]) AS wanted (event)
    ORDER BY event
    ON CONFLICT (event) DO UPDATE
    SET at = excluded.at,
        since = CASE WHEN asked.reached IS NULL AND asked.at <= asked.begun THEN excluded.since
                     ELSE least(asked.since, excluded.since) END
    """
# What was in the outbox when it was asked for may have been published before, and the queue lost since; it is kept here
# only once it is confirmed. So nothing begins while one of those rows is there: their leases end by then, unless they
# have been taken over, and then they are published now. Whoever asks in the meantime, or before the pause is over, is
# not forgotten: it begins once more then.
_BEGIN = """
    UPDATE asked
    SET reached = clock_timestamp(), begun = clock_timestamp(),
        pause = CASE WHEN begun < clock_timestamp() - 2 * $3::interval THEN $2::interval
                     ELSE least(2 * pause, $3::interval) END
    WHERE event IN (
        SELECT event FROM asked AS due
        WHERE reached IS NULL AND at > begun AND begun + pause <= clock_timestamp() AND NOT EXISTS (
            SELECT FROM outbox WHERE routing_key = due.event AND leased_until <= due.at + $1::interval
        )
        FOR UPDATE SKIP LOCKED
    )
    """
_NEXT = """
    SELECT event, since, reached FROM asked WHERE reached IS NOT NULL
    ORDER BY event LIMIT 1 FOR UPDATE SKIP LOCKED
    """
# The newest first: they belong to the sagas that somebody waits for. What is said again is kept again, as something
# newer than what has been reached, so this comes to an end.
_AGAIN = f"""
    WITH again AS (
        DELETE FROM said WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM said
            WHERE routing_key = $1 AND at <= $2 AND (headers ->> 'ce-time')::timestamptz >= $3
            ORDER BY at DESC LIMIT $4 FOR UPDATE SKIP LOCKED
        ))
        RETURNING {COLUMNS}, at
    ), back AS (
        INSERT INTO outbox ({COLUMNS}, leased_until) SELECT {COLUMNS}, now() - interval '1 second' FROM again
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) AS count, min(at) AS reached FROM again
    """  # noqa: S608  # text of this module
_REACHED = "UPDATE asked SET reached = $2 WHERE event = $1"
_DONE = "UPDATE asked SET reached = NULL WHERE event = $1"

_LOSE = """
    UPDATE own_queue SET lost_at = clock_timestamp() WHERE name = ANY($1::text[]) AND lost_at IS NULL
    """
_KNOW = """
    INSERT INTO own_queue (name, lost_at)
    SELECT name, CASE WHEN name = ANY($2::text[]) THEN clock_timestamp() END FROM unnest($1::text[]) AS owned (name)
    ON CONFLICT DO NOTHING RETURNING name
    """
_LOST = "SELECT name FROM own_queue WHERE lost_at IS NOT NULL ORDER BY name"
_FOUND = "UPDATE own_queue SET lost_at = NULL WHERE name = ANY($1::text[])"


class Missing(NamedTuple):
    """The queues of a service that are not there: those that were, and those that never have been."""

    lost: Set[str]
    new: Set[str]


class Fetches(Protocol):
    """A connection or a transaction, as far as it is needed here."""

    async def fetch(self, sql: str, /, *arguments: Any) -> Sequence[Any]:
        """The records of a statement."""


async def ask(database: Fetches, events: Collection[str], hours: float) -> None:
    """Note that these events, as far as they happened within the last `hours`, are to be said again."""
    await database.fetch(_ASK, sorted(events), timedelta(hours=hours))


async def repeat(database: Fetches, limit: int, lease: timedelta) -> None:
    """Put up to `limit` messages that are asked for back to the outbox, where the next sweep finds them."""
    await database.fetch(_BEGIN, lease, FIRST_PAUSE, LONGEST_PAUSE)
    while limit > 0 and (found := await database.fetch(_NEXT)):
        (wanted,) = found
        (done,) = await database.fetch(_AGAIN, wanted["event"], wanted["reached"], wanted["since"], limit)
        if done["count"] < limit:
            await database.fetch(_DONE, wanted["event"])
        else:
            await database.fetch(_REACHED, wanted["event"], done["reached"])
        limit -= done["count"]


async def lost(database: Fetches, owned: Sequence[str], missing: Sequence[str]) -> Missing:
    """The queues that are missing, now or unmended since; from now on all `owned` ones are known."""
    await database.fetch(_LOSE, missing)
    new = {record["name"] for record in await database.fetch(_KNOW, owned, missing)}.intersection(missing)
    every = {record["name"] for record in await database.fetch(_LOST)}
    return Missing(lost=every - new, new=new)


async def mended(database: Fetches, queues: Collection[str]) -> None:
    """Note that what these queues had lost has been asked for."""
    await database.fetch(_FOUND, list(queues))
