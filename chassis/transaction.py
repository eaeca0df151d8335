"""A local transaction: rows that change and events that are said, committed together or not at all."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from chassis import outbox
from chassis.envelope import Envelope
from chassis.mapper import Connection
from chassis.tracing import traceparent_after
from chassis.unit_of_work import UnitOfWork
from contracts.event import Event


def new_id() -> UUID:
    """A new id that sorts by time (UUIDv7, RFC 9562)."""
    return uuid_utils.compat.uuid7()


def made_at(new: UUID) -> datetime:
    """When an id of `new_id` was made: its first 48 bits are the milliseconds since 1970."""
    return datetime.fromtimestamp((new.int >> 80) / 1000, UTC)


class Transaction:
    """An open transaction; whoever opened it commits it, what runs inside never does."""

    def __init__(self, opened: AsyncConnection, connection: Connection) -> None:
        self.connection = connection
        """The connection of the driver, for the statements of the chassis"""
        self.rows = UnitOfWork(connection)
        """The rows that steps work on"""
        self.said: list[Envelope] = []
        self._opened = opened
        self._session: AsyncSession | None = None

    @property
    def session(self) -> AsyncSession:
        """A session of SQLAlchemy in this transaction, for every other query; what it holds is written first."""
        if self._session is None:
            self._session = AsyncSession(self._opened, expire_on_commit=False, autoflush=False)
        return self._session

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
        self.rows.add(rows)
        if event is not None:
            self.say(event, cause)
        return rows

    def replace(self, outcome: Any, cause: Envelope) -> None:
        """As `apply`, for effects: one may have been stored before and forgotten since, so its rows take the place."""
        event, rows = split(outcome)
        self.rows.replace(rows)
        if event is not None:
            self.say(event, cause)

    async def flush(self, confirmed: Collection[UUID]) -> list[outbox.Outgoing]:
        """Send rows and messages to the database, and take `confirmed` ones from it.

        Gives back the messages, to be published after the commit.
        """
        if self._session is not None:
            await self._session.flush()
        await self.rows.flush()
        messages = [outbox.Outgoing.of(envelope) for envelope in self.said]
        if messages:
            await outbox.put(self.connection, messages, confirmed)
        elif confirmed:
            await outbox.forget(self.connection, confirmed)
        return messages

    async def close(self) -> None:
        """Let go of the session, if there is one."""
        if self._session is not None:
            await self._session.close()


def split(outcome: Any) -> tuple[Event | None, list[Any]]:
    """What a step returned, as the event that happened (if any) and the rows that came into being with it."""
    if not isinstance(outcome, tuple):
        return outcome, []
    event, *rest = outcome
    return event, list(_flat(rest))


def _flat(rows: Iterable[Any]) -> Iterable[Any]:
    for row in rows:
        yield from row if isinstance(row, list) else (row,)
