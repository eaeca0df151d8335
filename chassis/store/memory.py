"""Memory: what the database of one service remembers of what was said and heard, page by page, in bounded memory.

A page begins where the one before ended, by keys that have an index, so ten million rows are read like a thousand.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.choreography.recollection import Known
from chassis.ids import made_at
from chassis.store.said import COLUMNS, Fetches

PAGE = 2_000
NOBODY = UUID(int=0)

# The confirmation comes after the event, so nothing that was said since then is left out. What has no name was said by
# nobody: the witness of older code has left it.
_SAID = """
    SELECT event_id, saga_id, routing_key, headers ->> 'ce-time' AS time, at FROM said
    WHERE at >= $1 AND at < $2 AND (at, event_id) > ($1, $3) AND routing_key <> '' ORDER BY at, event_id LIMIT $4
    """
_HEARD = """
    SELECT event_id, saga_id, heard FROM inbox
    WHERE step = $1 AND event_id > $2 AND heard = ANY($3::text[]) ORDER BY event_id LIMIT $4
    """
_HANDLED = "SELECT event_id FROM inbox WHERE step = $1 AND event_id = ANY($2::uuid[])"
# The last is what `account` notes.
_REMEMBERED = """
    SELECT event_id FROM said WHERE saga_id = ANY($1::uuid[]) AND event_id = ANY($2::uuid[])
    UNION ALL SELECT event_id FROM outbox WHERE event_id = ANY($2::uuid[])
    UNION ALL SELECT event_id FROM inbox WHERE step = ANY($3::text[]) AND event_id = ANY($2::uuid[])
    """
_OF_SAGAS = """
    SELECT event_id, saga_id, routing_key, headers::text AS headers, body FROM said WHERE saga_id = ANY($1::uuid[])
    """
_HEARD_IN = "SELECT event_id, saga_id, heard FROM inbox WHERE saga_id = ANY($1::uuid[]) AND heard = ANY($2::text[])"
_DONE_IN = "SELECT DISTINCT saga_id, step FROM inbox WHERE saga_id = ANY($1::uuid[]) AND step = ANY($2::text[])"
_ACCOUNT = "INSERT INTO inbox (step, event_id, saga_id, heard) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
_AGAIN = f"""
    WITH again AS (
        DELETE FROM said WHERE saga_id = ANY($1::uuid[]) AND event_id = ANY($2::uuid[]) RETURNING {COLUMNS}
    ), back AS (
        INSERT INTO outbox ({COLUMNS}, leased_until)
        SELECT DISTINCT ON (event_id) {COLUMNS}, now() - interval '1 second' FROM again
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) AS count FROM again
    """  # noqa: S608  # text of this module
_NOW = "SELECT clock_timestamp() AS now"
_OTHERS = """
    SELECT count(*) AS count FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
    """


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was said."""

    event: Known
    headers: str
    body: str


class Memory:
    """What one service remembers, over a connection that nobody else uses meanwhile."""

    def __init__(self, connection: Fetches) -> None:
        self._connection = connection

    async def now(self) -> datetime:
        """The time, by the clock that its moments are taken from."""
        return (await self._connection.fetch(_NOW))[0]["now"]  # type: ignore[no-any-return]  # a record is anything

    async def is_at_work(self) -> bool:
        """Whether the service has sessions of its own, besides this one: it runs."""
        return bool((await self._connection.fetch(_OTHERS))[0]["count"])

    async def said(self, since: datetime, until: datetime) -> AsyncIterator[list[Known]]:
        """What the broker has confirmed between two moments, in that order."""
        after = NOBODY
        while records := await self._connection.fetch(_SAID, since, until, after, PAGE):
            yield [_said(record) for record in records]
            since, after = records[-1]["at"], records[-1]["event_id"]

    async def heard(self, step: str, names: Collection[str], since: datetime) -> AsyncIterator[list[Known]]:
        """The events of these names that a step has handled and that were said since then, in that order."""
        after = _first_id(since)
        while records := await self._connection.fetch(_HEARD, step, after, list(names), PAGE):
            yield [_heard(record) for record in records]
            after = records[-1]["event_id"]

    async def handled(self, step: str, event_ids: Collection[UUID]) -> set[UUID]:
        """Those of the events that a step has handled."""
        return {record["event_id"] for record in await self._connection.fetch(_HANDLED, step, list(event_ids))}

    async def remembered(self, steps: Collection[str], events: Collection[Known]) -> set[UUID]:
        """The ids of those events that the service, which has these steps, remembers having said."""
        sagas, ids = {one.saga_id for one in events}, [one.event_id for one in events]
        records = await self._connection.fetch(_REMEMBERED, list(sagas), ids, list(steps))
        return {record["event_id"] for record in records}

    async def of_sagas(self, saga_ids: Collection[UUID]) -> list[Message]:
        """All that the broker has confirmed of some sagas, once each."""
        records = await self._connection.fetch(_OF_SAGAS, list(saga_ids))
        return list({record["event_id"]: _message(record) for record in records}.values())

    async def heard_in(self, saga_ids: Collection[UUID], names: Collection[str]) -> list[Known]:
        """The events of these names that the service has handled in some sagas, once each."""
        records = await self._connection.fetch(_HEARD_IN, list(saga_ids), list(names))
        return list({record["event_id"]: _heard(record) for record in records}.values())

    async def done_in(self, saga_ids: Collection[UUID], steps: Collection[str]) -> list[tuple[UUID, str]]:
        """In which of these sagas which of these steps have handled something."""
        records = await self._connection.fetch(_DONE_IN, list(saga_ids), list(steps))
        return [(record["saga_id"], record["step"]) for record in records]

    async def again(self, events: Sequence[Known]) -> int:
        """Put confirmed messages back to the outbox, from where the service says them again; how many were there."""
        sagas, ids = {one.saga_id for one in events}, [one.event_id for one in events]
        return int((await self._connection.fetch(_AGAIN, list(sagas), ids))[0]["count"])


async def account(database: Fetches, step: str, event: Known) -> None:
    """Note that the service knows that its step has said this, although it will not say it again."""
    await database.fetch(_ACCOUNT, step, event.event_id, event.saga_id, event.name)


def _first_id(since: datetime) -> UUID:
    """The least id that can have been made since then: the first 48 bits of ours are the milliseconds since 1970."""
    return UUID(int=int(since.timestamp() * 1000) << 80)


def _said(record: Any) -> Known:
    return Known(record["event_id"], record["saga_id"], record["routing_key"], datetime.fromisoformat(record["time"]))


def _heard(record: Any) -> Known:
    return Known(record["event_id"], record["saga_id"], record["heard"], made_at(record["event_id"]))


def _message(record: Any) -> Message:
    made = made_at(record["event_id"])
    event = Known(record["event_id"], record["saga_id"], record["routing_key"], made)
    return Message(event, record["headers"], record["body"])
