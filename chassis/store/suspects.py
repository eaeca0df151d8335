"""Suspects: messages that were being handled when their process died, and by which processes.

The broker's own count would not do: it goes up for every message that had been handed out, not only for the one to
blame, and not every version of it counts a lost connection.
"""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from chassis.store.models import Timestamp, frame
from chassis.store.transaction import Transaction

suspect = sa.Table(
    "suspect",
    frame,
    sa.Column("step", sa.String(64), primary_key=True),
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("process", sa.Uuid, primary_key=True),
    sa.Column("at", Timestamp, nullable=False, server_default=sa.func.clock_timestamp()),
    sa.Index("ix_suspect_at", "at"),
)

_NOTE = """
    INSERT INTO suspect (step, event_id, process)
    SELECT $1, event_id, $3 FROM unnest($2::uuid[]) AS noted (event_id) ORDER BY event_id
    ON CONFLICT DO NOTHING
    """
_DEATHS = """
    SELECT event_id, count(*) AS deaths FROM suspect
    WHERE step = $1 AND event_id = ANY($2::uuid[]) AND process <> $3 GROUP BY event_id
    """
_CLEAR = "DELETE FROM suspect WHERE step = $1 AND event_id = ANY($2::uuid[])"


async def deaths(transaction: Transaction, step: str, event_ids: Sequence[UUID], process: UUID) -> dict[UUID, int]:
    """How many processes beside this one have begun to handle each of these events, and not brought it to an end."""
    records = await transaction.fetch(_DEATHS, step, event_ids, process)
    return {record["event_id"]: record["deaths"] for record in records}


async def note(transaction: Transaction, step: str, event_ids: Sequence[UUID], process: UUID) -> None:
    """Note that this process is about to handle these events, which have come again."""
    await transaction.fetch(_NOTE, step, sorted(set(event_ids)), process)


async def clear(transaction: Transaction, step: str, event_ids: Sequence[UUID]) -> None:
    """Note that these events have been brought to an end, good or bad."""
    await transaction.fetch(_CLEAR, step, event_ids)
