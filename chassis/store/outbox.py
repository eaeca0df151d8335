"""Outbox: what was said in a transaction, kept with it until the broker has it, and in `said` for a while longer."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from chassis.choreography.envelope import Envelope
from chassis.ids import new_id
from chassis.store.mapper import Connection
from chassis.store.models import Timestamp, frame, message_columns
from chassis.store.said import COLUMNS

LEASE = timedelta(seconds=10)
"""How long a process may take to publish a row before a sweeper may take the row over."""

outbox = sa.Table(
    "outbox",
    frame,
    sa.Column("event_id", sa.Uuid, primary_key=True),
    *message_columns(),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("leased_until", Timestamp, nullable=False),
    sa.Index("ix_outbox_leased_until", "leased_until"),
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that has to reach the broker."""

    event_id: UUID
    saga_id: UUID
    routing_key: str
    mandatory: bool
    headers: dict[str, Any]
    body: str
    attempts: int = 0

    @classmethod
    def of(cls, envelope: Envelope) -> "Outgoing":
        """The message that carries `envelope`. An event that ends its saga may go unheard, unless somebody is told."""
        event = envelope.event
        return cls(
            event_id=envelope.event_id,
            saga_id=event.saga_id,
            routing_key=event.name,
            mandatory=event.mandatory,
            headers=envelope.headers(),
            body=event.written(),
        )

    @property
    def occurred_at(self) -> datetime:
        """When the event happened."""
        return datetime.fromisoformat(self.headers["ce-time"])


_GONE = f"""
    WITH gone AS (DELETE FROM outbox WHERE event_id = ANY($1::uuid[]) RETURNING {COLUMNS}),
    kept AS (INSERT INTO said ({COLUMNS}, at) SELECT {COLUMNS}, clock_timestamp() FROM gone)
    """  # noqa: S608  # text of this module
_FORGET = f"{_GONE} SELECT"
# All in one statement, which saves each busy transaction a round trip.
_PUT = f"""
    {_GONE}
    INSERT INTO outbox (event_id, saga_id, routing_key, mandatory, headers, body, leased_until)
    SELECT event_id, saga_id, routing_key, mandatory, headers::json, body, clock_timestamp() + $2::interval
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::boolean[], $7::text[], $8::text[])
        AS said (event_id, saga_id, routing_key, mandatory, headers, body)
    """  # noqa: S608  # text of this module
_PROBE = """
    INSERT INTO outbox (event_id, saga_id, routing_key, mandatory, headers, body, leased_until)
    VALUES ($1, $1, '', false, '{}', '', 'infinity')
    """
_UNDO_PROBE = "DELETE FROM outbox WHERE event_id = $1"
# The lease runs from this moment: the transaction may have begun long before. What has run out is told by the start of
# the transaction, which is earlier, because an index can be searched for a moment that stands still.
# SKIP LOCKED lets several replicas sweep at once; the lease, not an open transaction, keeps a row while it is
# being published. There is no cursor over ids: a row that commits late is found like any other.
_LEASE = """
    UPDATE outbox SET leased_until = clock_timestamp() + $1::interval, attempts = attempts + 1
    WHERE event_id IN (
        SELECT event_id FROM outbox WHERE leased_until < now()
        ORDER BY leased_until LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    RETURNING event_id, saga_id, routing_key, mandatory, headers::text, body, attempts
    """
_KEEP = """
    UPDATE outbox SET leased_until = clock_timestamp() + $1::interval
    WHERE event_id IN (SELECT event_id FROM outbox WHERE event_id = ANY($2::uuid[]) FOR UPDATE SKIP LOCKED)
    """

WAITING = """
    SELECT count(*) AS depth, (SELECT event_id FROM outbox ORDER BY event_id LIMIT 1) AS oldest
    FROM (SELECT event_id FROM outbox ORDER BY event_id LIMIT $1) AS counted
    """
"""How many messages the outbox holds, counted up to $1, and the id of the oldest."""


async def put(connection: Connection, messages: Sequence[Outgoing], confirmed: Collection[UUID]) -> None:
    """Insert messages, leased to this process for publishing, and move confirmed ones to what is said."""
    await connection.execute(
        _PUT,
        list(confirmed),
        LEASE,
        [message.event_id for message in messages],
        [message.saga_id for message in messages],
        [message.routing_key for message in messages],
        [message.mandatory for message in messages],
        [json.dumps(message.headers) for message in messages],
        [message.body for message in messages],
    )


async def lease(connection: Connection, limit: int) -> list[Outgoing]:
    """Take over up to `limit` messages whose lease has run out."""
    records = await connection.fetch(_LEASE, LEASE, limit)
    return [Outgoing(**{**record, "headers": json.loads(record["headers"])}) for record in records]


async def keep(connection: Connection, event_ids: Collection[UUID]) -> None:
    """Lease messages to this process for a while longer, as far as they are there and nobody else works on them."""
    await connection.execute(_KEEP, LEASE, list(event_ids))


async def forget(connection: Connection, confirmed: Collection[UUID]) -> None:
    """Move messages that the broker has confirmed to what is said."""
    await connection.execute(_FORGET, list(confirmed))


async def probe(connection: Connection) -> None:
    """Write a message that is for nobody, and take it back; it was never said."""
    nobody = new_id()
    await connection.execute(_PROBE, nobody)
    await connection.execute(_UNDO_PROBE, nobody)
