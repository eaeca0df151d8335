"""Outbox: what was said in a transaction, kept with it until the broker has it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.envelope import Envelope
from chassis.models import Timestamp, frame

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

LEASE = timedelta(seconds=10)
"""How long whoever holds a row has to publish it before a sweeper may take it over."""

outbox = sa.Table(
    "outbox",
    frame,
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("saga_id", sa.Uuid, nullable=False),
    sa.Column("routing_key", sa.String(64), nullable=False),
    sa.Column("mandatory", sa.Boolean, nullable=False),
    sa.Column("headers", sa.JSON, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
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
        """The message that carries `envelope`. An event that may end its saga may go unheard."""
        event = envelope.event
        return cls(
            event_id=envelope.event_id,
            saga_id=event.saga_id,
            routing_key=event.name,
            mandatory=not event.end,
            headers=envelope.headers(),
            body=event.model_dump_json(),
        )

    @property
    def occurred_at(self) -> datetime:
        """When the event happened."""
        return datetime.fromisoformat(self.headers["ce-time"])


_INSERT = """
    INSERT INTO outbox (event_id, saga_id, routing_key, mandatory, headers, body, leased_until)
    SELECT event_id, saga_id, routing_key, mandatory, headers, body, now() + :lease
    FROM unnest(:event_ids, :saga_ids, :routing_keys, :mandatory, :headers, :bodies)
        AS said (event_id, saga_id, routing_key, mandatory, headers, body)
    """
_SAID = (
    sa.bindparam("lease", type_=sa.Interval),
    sa.bindparam("event_ids", type_=ARRAY(sa.Uuid)),
    sa.bindparam("saga_ids", type_=ARRAY(sa.Uuid)),
    sa.bindparam("routing_keys", type_=ARRAY(sa.String)),
    sa.bindparam("mandatory", type_=ARRAY(sa.Boolean)),
    sa.bindparam("headers", type_=ARRAY(sa.JSON)),
    sa.bindparam("bodies", type_=ARRAY(sa.Text)),
)
_CONFIRMED = sa.bindparam("confirmed", type_=ARRAY(sa.Uuid))

_insert = sa.text(_INSERT).bindparams(*_SAID)
_FORGET = "DELETE FROM outbox WHERE event_id = ANY(:confirmed)"
_forget = sa.text(_FORGET).bindparams(_CONFIRMED)
# Both in one statement, which saves each busy transaction a round trip.
_replace = sa.text(f"WITH gone AS ({_FORGET}) {_INSERT}").bindparams(*_SAID, _CONFIRMED)

# SKIP LOCKED lets several replicas sweep at once; the lease, not an open transaction, keeps a row while it is
# being published. There is no cursor over ids: a row that commits late is found like any other.
_lease = sa.text(
    """
    UPDATE outbox SET leased_until = now() + :lease, attempts = attempts + 1
    WHERE event_id IN (
        SELECT event_id FROM outbox WHERE leased_until < now()
        ORDER BY leased_until LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING event_id, saga_id, routing_key, mandatory, headers, body, attempts
    """
).bindparams(sa.bindparam("lease", type_=sa.Interval))


async def put(session: "AsyncSession", messages: Sequence[Outgoing], confirmed: Collection[UUID]) -> None:
    """Keep the messages with the transaction, leased to this process for publishing; drop those that are confirmed."""
    await session.execute(
        _replace if confirmed else _insert,
        {
            **({"confirmed": list(confirmed)} if confirmed else {}),
            "lease": LEASE,
            "event_ids": [message.event_id for message in messages],
            "saga_ids": [message.saga_id for message in messages],
            "routing_keys": [message.routing_key for message in messages],
            "mandatory": [message.mandatory for message in messages],
            "headers": [message.headers for message in messages],
            "bodies": [message.body for message in messages],
        },
    )


async def lease(session: "AsyncSession", most: int) -> list[Outgoing]:
    """Take over up to `most` messages that nobody is publishing."""
    result = await session.execute(_lease.columns(headers=sa.JSON), {"lease": LEASE, "most": most})
    return [Outgoing(*row) for row in result]


async def forget(session: "AsyncSession", confirmed: Collection[UUID]) -> None:
    """Drop messages that the broker has confirmed."""
    await session.execute(_forget, {"confirmed": list(confirmed)})
