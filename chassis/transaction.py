"""A local transaction: rows that change and events that are said, committed together or not at all."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import uuid_utils.compat
from sqlalchemy.ext.asyncio import AsyncSession

from chassis import outbox
from chassis.envelope import Envelope
from chassis.tracing import traceparent_after
from contracts.event import Event


def new_id() -> UUID:
    """A new id that sorts by time (UUIDv7, RFC 9562)."""
    return uuid_utils.compat.uuid7()


def made_at(new: UUID) -> datetime:
    """When an id of `new_id` was made: its first 48 bits are the milliseconds since 1970."""
    return datetime.fromtimestamp((new.int >> 80) / 1000, UTC)


class Transaction:
    """An open transaction; whoever opened it commits it, what runs inside never does."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.said: list[Envelope] = []

    def say(self, event: Event, cause: Envelope | None = None) -> None:
        """Let the world know, once this transaction is committed."""
        self.said.append(
            Envelope(
                event=event,
                event_id=new_id(),
                causation_id=cause.event_id if cause else None,
                occurred_at=datetime.now(UTC),
                traceparent=traceparent_after(cause.traceparent if cause else None, event.saga_id),
            )
        )

    def apply(self, outcome: Any, cause: Envelope | None = None) -> list[Any]:
        """Say the event and store the new rows that a step returned; gives back the rows."""
        event, rows = split(outcome)
        self.session.add_all(rows)
        if event is not None:
            self.say(event, cause)
        return rows

    async def replace(self, outcomes: Iterable[tuple[Any, Envelope]]) -> None:
        """As `apply`, for effects: one may have been stored before and forgotten since, so its rows take the place."""
        news = [(split(outcome), cause) for outcome, cause in outcomes]
        by_model = defaultdict(list)
        for (_, rows), _ in news:
            for row in rows:
                by_model[type(row)].append(row)
        for model, rows in by_model.items():
            key = sa.inspect(model, raiseerr=True).primary_key
            identities = [tuple(getattr(row, column.key) for column in key) for row in rows]
            await self.session.execute(sa.delete(model).where(sa.tuple_(*key).in_(identities)))
        for (event, rows), cause in news:
            self.session.add_all(rows)
            if event is not None:
                self.say(event, cause)

    async def flush(self, confirmed: Collection[UUID]) -> list[outbox.Outgoing]:
        """Send rows and messages to the database, and take `confirmed` ones from it.

        Gives back the messages, to be published after the commit.
        """
        await self.session.flush()
        messages = [outbox.Outgoing.of(envelope) for envelope in self.said]
        if messages:
            await outbox.put(self.session, messages, confirmed)
        elif confirmed:
            await outbox.forget(self.session, confirmed)
        return messages


def split(outcome: Any) -> tuple[Event | None, list[Any]]:
    """What a step returned, as the event that happened (if any) and the rows that came into being with it."""
    if not isinstance(outcome, tuple):
        return outcome, []
    event, *rest = outcome
    return event, list(_flat(rest))


def _flat(rows: Iterable[Any]) -> Iterable[Any]:
    for row in rows:
        yield from row if isinstance(row, list) else (row,)
