"""Inbox: what each step has already handled, so that a message that comes twice has one effect."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from chassis.envelope import Envelope
from chassis.models import Timestamp, frame
from chassis.transaction import Transaction

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
_HANDLED = "SELECT event_id FROM inbox WHERE step = $1 AND event_id = ANY($2::uuid[])"


async def accept(transaction: Transaction, step: str, arrived: Sequence[Envelope]) -> list[Envelope]:
    """Note that `step` handles these events now; gives back those that it had not handled before, once each."""
    records = await transaction.connection.fetch(
        _ACCEPT,
        step,
        [envelope.event_id for envelope in arrived],
        [envelope.event.saga_id for envelope in arrived],
        [envelope.event.name for envelope in arrived],
    )
    fresh = {record["event_id"] for record in records}
    return [envelope for envelope in arrived if _take(fresh, envelope.event_id)]


async def unhandled(transaction: Transaction, step: str, arrived: Sequence[Envelope]) -> list[Envelope]:
    """The events that `step` has not handled yet, once each; notes nothing."""
    ids = {envelope.event_id: envelope for envelope in arrived}
    for record in await transaction.connection.fetch(_HANDLED, step, list(ids)):
        del ids[record["event_id"]]
    return list(ids.values())


def _take(fresh: set[UUID], event_id: UUID) -> bool:
    if event_id not in fresh:
        return False
    fresh.remove(event_id)
    return True
