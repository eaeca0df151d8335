"""Inbox: what each step has already handled, so that a message that comes twice has one effect."""

from collections.abc import Collection, Sequence
from uuid import UUID

import sqlalchemy as sa

from chassis.choreography.envelope import Envelope
from chassis.ids import new_id
from chassis.store.mapper import Connection
from chassis.store.models import Timestamp, frame

inbox = sa.Table(
    "inbox",
    frame,
    sa.Column("step", sa.String(64), primary_key=True),
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("saga_id", sa.Uuid, nullable=False, index=True),
    sa.Column("heard", sa.String(64), nullable=False),
    sa.Column("at", Timestamp, nullable=False, server_default=sa.func.clock_timestamp()),
    sa.Index("ix_inbox_at", "at", postgresql_using="brin"),
)

# The rows are inserted in the order of their key: two replicas that got the same messages wait for each other
# instead of deadlocking.
_ACCEPT = """
    INSERT INTO inbox (step, event_id, saga_id, heard)
    SELECT $1, event_id, saga_id, heard
    FROM unnest($2::uuid[], $3::uuid[], $4::text[]) AS arrived (event_id, saga_id, heard)
    ORDER BY event_id
    ON CONFLICT DO NOTHING
    RETURNING event_id
    """
_PROBE = "INSERT INTO inbox (step, event_id, saga_id, heard) VALUES ('', $1, $1, '')"
_UNDO_PROBE = "DELETE FROM inbox WHERE step = '' AND event_id = $1"
_HANDLED = "SELECT event_id FROM inbox WHERE step = $1 AND event_id = ANY($2::uuid[])"


async def accept(connection: Connection, step: str, arrived: Sequence[Envelope]) -> set[UUID]:
    """Note that `step` handles these events now; returns the ids of those that it had not handled before."""
    records = await connection.fetch(
        _ACCEPT,
        step,
        [envelope.event_id for envelope in arrived],
        [envelope.event.saga_id for envelope in arrived],
        [envelope.event.name for envelope in arrived],
    )
    return {record["event_id"] for record in records}


async def handled(connection: Connection, step: str, event_ids: Collection[UUID]) -> set[UUID]:
    """Those of the events that `step` has handled."""
    return {record["event_id"] for record in await connection.fetch(_HANDLED, step, list(event_ids))}


async def probe(connection: Connection) -> None:
    """Write a row that concerns no step, and take it back."""
    nobody = new_id()
    await connection.execute(_PROBE, nobody)
    await connection.execute(_UNDO_PROBE, nobody)
