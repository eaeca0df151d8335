"""Transaction: rows that change and events that are said, committed together or not at all."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel
from sqlmodel.sql.expression import SelectOfScalar

from chassis.choreography.envelope import Envelope
from chassis.ids import new_id
from chassis.store.mapper import mapper_of
from chassis.store.outbox import Outgoing
from chassis.store.session import Row, Session
from chassis.store.unit_of_work import UnitOfWork
from chassis.telemetry.tracing import traceparent_after
from contracts.event import Event

Selected = TypeVar("Selected", bound=SQLModel)


_HEARD = "SELECT step, heard, at FROM inbox WHERE saga_id = $1 ORDER BY at"


class Heard(NamedTuple):
    """An event that a step of this service has handled, and when."""

    step: str
    event: str
    at: datetime


def _now() -> datetime:
    return datetime.now(UTC)


def _any_id(_event: Event, _cause: Envelope | None) -> UUID:
    return new_id()


@dataclass(frozen=True)
class Identity:
    """Where transactions get the time and the ids of their events from; the simulation has its own."""

    now: Callable[[], datetime] = _now
    event_id: Callable[[Event, Envelope | None], UUID] = _any_id


IDENTITY = Identity()


class Transaction:
    """An open transaction; whoever opened it commits it, what runs inside never does.

    Every row is one object in it, however it is asked for. A row that is to change must be locked.
    """

    def __init__(self, session: Session, identity: Identity = IDENTITY) -> None:
        self.session = session
        self.said: list[Envelope] = []
        self._identity = identity
        self._rows = UnitOfWork(session)

    def now(self) -> datetime:
        """The time."""
        return self._identity.now()

    async def lock(self, model: type[Row], column: str, keys: Collection[Any]) -> list[Row]:
        """The rows whose `column` is one of `keys`, locked and in the order of their primary key.

        What is changed in them is written before the commit.
        """
        return await self._rows.select(model, column, keys, lock=True)

    async def find(self, model: type[Row], column: str, keys: Collection[Any]) -> list[Row]:
        """As `lock`, but to be read only: a change raises NotLockedError before the commit."""
        return await self._rows.select(model, column, keys, lock=False)

    async def lock_one(self, model: type[Row], key: Any) -> Row | None:
        """The row with this primary key, locked, or None."""
        return next(iter(await self.lock(model, mapper_of(model).primary_key, [key])), None)

    async def find_one(self, model: type[Row], key: Any) -> Row | None:
        """The row with this primary key, to be read only, or None."""
        return next(iter(await self.find(model, mapper_of(model).primary_key, [key])), None)

    async def select(self, statement: SelectOfScalar[Selected]) -> list[Selected]:
        """The rows of one class that a `select(Model)…` finds, to be read only."""
        return await self._rows.query(statement)

    async def execute(self, statement: sa.Executable) -> sa.CursorResult[Any]:
        """The result of any other statement of SQLAlchemy Core; it does not see what is not flushed yet."""
        return await self.session.execute(statement)

    async def count(self, statement: sa.Select[Any], limit: int) -> int:
        """How many rows a `select(…)` finds, counted up to `limit`."""
        found = statement.limit(limit).subquery()
        return int((await self.execute(sa.select(sa.func.count()).select_from(found))).scalar_one())

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """The records of a statement in PostgreSQL's own words, with `$1`, `$2`, … for the arguments."""
        return await self.session.fetch(sql, *arguments)

    def add(self, *rows: SQLModel) -> None:
        """Store rows that are new."""
        self._rows.add(rows)

    def replace(self, *rows: SQLModel) -> None:
        """Store rows, each in the place of the one that has its primary key already, if there is one."""
        self._rows.replace(rows)

    async def accept(self, step: str, arrived: Sequence[Envelope]) -> list[Envelope]:
        """Note that `step` handles these events now; returns those that it had not handled before, once each."""
        fresh = await self.session.accept(step, arrived)
        return list({one.event_id: one for one in arrived if one.event_id in fresh}.values())

    async def unhandled(self, step: str, arrived: Sequence[Envelope]) -> list[Envelope]:
        """The events that `step` has not handled yet, once each; notes nothing."""
        by_id = {one.event_id: one for one in arrived}
        handled = await self.session.handled(step, by_id)
        return [one for event_id, one in by_id.items() if event_id not in handled]

    async def heard(self, saga_id: UUID) -> list[Heard]:
        """What the steps of this service have heard in a saga, the earliest first."""
        records = await self.fetch(_HEARD, saga_id)
        return [Heard(record["step"], record["heard"], record["at"]) for record in records]

    def say(self, event: Event, cause: Envelope | None = None, trace: str | None = None) -> None:
        """Publish an event once this transaction is committed; it belongs to a `trace` where the caller names one."""
        self.said.append(
            Envelope(
                event=event,
                event_id=self._identity.event_id(event, cause),
                causation_id=cause.event_id if cause else None,
                occurred_at=self.now(),
                traceparent=trace or traceparent_after(cause.traceparent if cause else None, event.saga_id),
            )
        )

    def apply(self, outcome: Any, cause: Envelope | None = None, trace: str | None = None) -> list[Any]:
        """Say the event and store the new rows that a step returned; returns the rows."""
        event, rows = split(outcome)
        self.add(*rows)
        if event is not None:
            self.say(event, cause, trace)
        return rows

    def reapply(self, outcome: Any, cause: Envelope) -> None:
        """As `apply`, for effects: one may have been stored before and forgotten since, so its rows are replaced."""
        event, rows = split(outcome)
        self.replace(*rows)
        if event is not None:
            self.say(event, cause)

    async def flush(self, confirmed: Collection[UUID]) -> list[Outgoing]:
        """Send rows and messages to the database, and delete `confirmed` messages from its outbox.

        Comes once, at the end. Returns the messages, to be published after the commit.
        """
        await self._rows.flush()
        messages = [Outgoing.of(envelope) for envelope in self.said]
        if messages:
            await self.session.put(messages, confirmed)
        elif confirmed:
            await self.session.forget(confirmed)
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
