"""Storing: messages go into the archive many at once, each one time, however often it is delivered."""

import json
from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import structlog

from chassis.choreography.topology import RETRY_DELAYS
from window.database import WRITING, Connection, Pool, lock
from window.message import Place
from window.queries import FORGET_ASIDE
from window.reading import Seen

log = structlog.get_logger(__name__)

# The columns come in one array each: one statement, however many rows.
INSERT = """
    INSERT INTO message (key, place, event_id, saga_id, event, version, service, cause, occurred_at, seen_at, step,
        attempt, delay, error, traceparent, headers, body, user_id)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::int[], $7::text[], $8::uuid[],
        $9::timestamptz[], $10::timestamptz[], $11::text[], $12::int[], $13::text[], $14::text[], $15::text[],
        $16::text[], $17::text[], $18::text[])
    ON CONFLICT (key) DO NOTHING
    """
PUT_ASIDE = """
    INSERT INTO aside (event_id, step, key, number, is_parked, until, seen_at)
    SELECT event_id, coalesce(step, ''), key, number, place = 'parked', $2, seen_at FROM message WHERE key = $1
    ON CONFLICT (event_id, step) DO UPDATE SET key = excluded.key, number = excluded.number,
        is_parked = excluded.is_parked, until = excluded.until, seen_at = excluded.seen_at
    """


class Storing:
    """Puts what was seen into the archive."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def store(self, batch: Sequence[Seen]) -> None:
        """Store messages, all of them once this returns; raises what the driver raises when the database is away.

        One that the database does not take at all is left out, and does not keep back the others.
        """
        try:
            await self._store(batch)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, ValueError, OverflowError) as error:
            if len(batch) == 1:
                log.error("message cannot be kept", key=str(batch[0].key), error=type(error).__name__)
                return
            for one in batch:
                await self.store([one])

    async def _store(self, batch: Sequence[Seen]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await lock(connection, WRITING)
            await connection.execute(INSERT, *_columns(batch))
            for one in batch:
                if one.message.place is not Place.SAID:
                    await _note_aside(connection, one)


def _columns(batch: Sequence[Seen]) -> list[list[object]]:
    rows = [
        (
            one.key,
            one.message.place.value,
            one.message.event_id,
            one.message.saga_id,
            one.message.event,
            one.message.version,
            one.message.service,
            one.message.cause,
            one.message.occurred_at,
            one.message.seen_at,
            one.message.step,
            one.message.attempt,
            one.message.delay,
            one.message.error,
            one.message.traceparent,
            json.dumps(one.message.headers or {}),
            one.message.body,
            one.user_id,
        )
        for one in batch
    ]
    return [list(column) for column in zip(*rows, strict=True)]


async def _note_aside(connection: Connection, one: Seen) -> None:
    """Keep in mind what rests or is parked, until it comes back."""
    message = one.message
    if message.place is Place.BACK:
        await connection.execute(FORGET_ASIDE, message.event_id, message.step or "")
        return
    delay = RETRY_DELAYS.get(message.delay or "")
    until = message.seen_at + timedelta(milliseconds=delay) if delay else None
    await connection.execute(PUT_ASIDE, one.key, until)
