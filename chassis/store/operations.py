"""Operations: what operators had a service do with messages put aside, and with what it has said; only added to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from chassis.ids import new_id
from chassis.store.models import Timestamp, frame
from chassis.store.said import Fetches

operation = sa.Table(
    "operation",
    frame,
    sa.Column("operation_id", sa.Uuid, primary_key=True),
    sa.Column("at", Timestamp, nullable=False, server_default=sa.func.clock_timestamp()),
    sa.Column("who", sa.String(64), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("message_id", sa.String(255)),
    sa.Column("reason", sa.Text),
    sa.Column("subject", sa.JSON, nullable=False),
    sa.Index("ix_operation_at", "at"),
)

_NOTE = """
    INSERT INTO operation (operation_id, who, action, message_id, reason, subject) VALUES ($1, $2, $3, $4, $5, $6::json)
    """
_LATEST = """
    SELECT operation_id, at, who, action, message_id, reason, subject::text AS subject FROM operation
    WHERE operation_id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY operation_id DESC LIMIT $2
    """


@dataclass(frozen=True)
class Operation:
    """What an operator does: `who` is the `sub` of the operator, `subject` what it is done to."""

    who: str
    action: str
    subject: Mapping[str, Any]
    message_id: str | None = None
    reason: str | None = None


async def note(database: Fetches, one: Operation) -> None:
    """Note what is about to be done."""
    subject = json.dumps(one.subject, allow_nan=False)
    await database.fetch(_NOTE, new_id(), one.who, one.action, one.message_id, one.reason, subject)


async def latest(database: Fetches, limit: int, before: UUID | None = None) -> Sequence[Mapping[str, Any]]:
    """Up to `limit` of what was noted before that, the latest first."""
    records = await database.fetch(_LATEST, before, limit)
    return [dict(record) | {"subject": json.loads(record["subject"])} for record in records]
