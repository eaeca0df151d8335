"""Suspects: messages that were being handled when their process died, and how often that has happened.

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
    sa.Column("times", sa.Integer, nullable=False, server_default="1"),
    sa.Column("at", Timestamp, nullable=False, server_default=sa.func.clock_timestamp()),
)

_NOTE = """
    INSERT INTO suspect (step, event_id)
    SELECT $1, event_id FROM unnest($2::uuid[]) AS noted (event_id) ORDER BY event_id
    ON CONFLICT (step, event_id) DO UPDATE SET times = suspect.times + 1, at = clock_timestamp()
    """
_TIMES = "SELECT event_id, times FROM suspect WHERE step = $1 AND event_id = ANY($2::uuid[])"
_CLEAR = "DELETE FROM suspect WHERE step = $1 AND event_id = ANY($2::uuid[])"


async def times(transaction: Transaction, step: str, event_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How often each of these events was being handled, after it had come again, and was not brought to an end."""
    records = await transaction.fetch(_TIMES, step, event_ids)
    return {record["event_id"]: record["times"] for record in records}


async def note(transaction: Transaction, step: str, event_ids: Sequence[UUID]) -> None:
    """Note that these events are about to be handled once more."""
    await transaction.fetch(_NOTE, step, sorted(set(event_ids)))


async def clear(transaction: Transaction, step: str, event_ids: Sequence[UUID]) -> None:
    """Note that these events have been brought to an end, good or bad."""
    await transaction.fetch(_CLEAR, step, event_ids)
