"""The database of one service, in memory: rows, inbox and outbox change together or not at all.

Transactions run side by side as far as whoever drives them lets them: each statement, and the commit, is a turn, before
which others may go on. What they see of each other is in `tests/memory/isolation.py`. Errors are those of asyncpg,
because the frame judges errors by their class.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, wraps
from typing import Any, TypeVar, cast
from uuid import UUID, uuid5

import asyncpg
import sqlalchemy as sa
from sqlmodel import SQLModel

from chassis.choreography.envelope import Envelope
from chassis.errors import RolledBackError, RowGoneError
from chassis.store.database import Database, Work
from chassis.store.mapper import mapper_of
from chassis.store.outbox import LEASE, Outgoing
from chassis.store.session import Row, Session
from chassis.store.transaction import Identity
from contracts.event import Event
from tests.memory.committed import INBOX, OUTBOX, Committed, Name, Stored, columns
from tests.memory.constraints import Values, check, check_keys, check_unique, references
from tests.memory.drive import turn
from tests.memory.isolation import Isolated, MemoryServer

derived_id = cache(uuid5)

Result = TypeVar("Result")
Method = TypeVar("Method", bound=Callable[..., Awaitable[Any]])


def statement(run: Method) -> Method:
    """One statement: others may have their turn before it, and after its failure nothing but the end may follow."""

    @wraps(run)
    async def run_in_turn(session: "MemorySession", *args: Any, **kwargs: Any) -> Any:
        await turn()
        if session.has_failed:
            raise asyncpg.InFailedSQLTransactionError("current transaction is aborted")
        try:
            return await run(session, *args, **kwargs)
        except asyncpg.PostgresError:
            session.has_failed = True
            raise

    return cast("Method", run_in_turn)


class MemorySource:
    """Opens sessions on a database. `now` may be set, and says the time to the database."""

    def __init__(self, server: MemoryServer | None = None) -> None:
        self.server = server or MemoryServer()
        self.now: Callable[[], datetime] = _now
        self.session_open: MemorySession | None = None
        """The latest session, while it is open"""

    @property
    def committed(self) -> Committed:
        """What is committed now."""
        return self.server.committed

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A new session, rolled back when its context ends without a commit."""
        opened = self.session_open = self.open()
        try:
            yield opened
        finally:
            opened.isolated.end(commit=False)

    def open(self) -> "MemorySession":
        """A session that sees what is committed."""
        return MemorySession(self)

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def is_waiting(self) -> bool:
        """Whether the latest session cannot go on before another one has ended."""
        return self.session_open is not None and self.session_open.isolated.is_waiting

    def event_id(self, event: Event, cause: Envelope | None) -> UUID:
        """An id that follows from what is said, because of what, and how often: the same in every run."""
        what = derived_id(cause.event_id if cause else event.saga_id, event.name)
        number = self.server.times_said(what) + 1
        latest = self.session_open.isolated if self.session_open else None
        speaker = latest if latest is not None and latest.is_open else self.server.open[-1]
        speaker.said[what] = number
        return derived_id(what, str(number))

    @property
    def identity(self) -> Identity:
        """The time and the ids of this database."""
        return Identity(now=self._time, event_id=self.event_id)

    def _time(self) -> datetime:
        return self.now()


class MemorySession:
    """An open transaction: what it does is seen by itself, and by others once it has committed."""

    is_unique = True
    """Whether unique constraints are kept"""

    def __init__(self, source: MemorySource) -> None:
        self.source = source
        self.isolated = Isolated(source.server)
        self.has_failed = False

    @statement
    async def select(self, model: type[Row], column: str, keys: Collection[Any], *, lock: bool) -> list[Row]:
        """The rows whose `column` is one of `keys`, in the order of their primary key.

        Those to lock are chosen at the beginning. What is locked in the end is each of them as it is then, unless it
        is another by then.
        """
        check_keys(model, column, keys)
        rows, place = self.isolated.rows(model), columns(model).index(column)
        chosen = [key for key in rows.ordered if rows[key][place] in keys]
        if lock:
            for key in self.lock_order(model, chosen):
                await self.isolated.lock(model, key)
            stored = [self.isolated.get(model, key) for key in chosen]
            return mapper_of(model).rows(row for row in stored if row is not None and row[place] in keys)
        return mapper_of(model).rows(rows[key] for key in chosen)

    @statement
    async def insert(self, model: type[SQLModel], rows: Sequence[SQLModel]) -> None:
        """Insert rows; raises asyncpg.UniqueViolationError."""
        for row in rows:
            key, values = self._checked(model, row)
            if self.is_unique:
                await self.isolated.until_unrivalled(model, key, values)
                if self.isolated.get(model, key) is not None:
                    raise asyncpg.UniqueViolationError(f"{model.__name__}: {key} is there already")
            await self._store(model, key, values)

    @statement
    async def update(self, model: type[SQLModel], rows: Sequence[SQLModel]) -> None:
        """Write the values of rows; raises RowGoneError when one is not there under its primary key."""
        for row in rows:
            key, values = self._checked(model, row)
            if self.isolated.get(model, key) is not None:
                await self.isolated.lock(model, key)
            if self.isolated.get(model, key) is None:
                raise RowGoneError(f"{model.__name__}: {key}")
            if self.is_unique:
                await self.isolated.until_unrivalled(model, key, values)
            await self._store(model, key, values)

    @statement
    async def replace(self, model: type[SQLModel], rows: Sequence[SQLModel]) -> None:
        """Insert rows, each in the place of the one that has its primary key already."""
        mapper = mapper_of(model)
        if len({mapper.key(row) for row in rows}) < len(rows):
            raise asyncpg.CardinalityViolationError(f"{model.__name__}: a row cannot be replaced twice at once")
        for row in rows:
            key, values = self._checked(model, row)
            await self.isolated.until_unrivalled(model, key, values)
            if self.isolated.get(model, key) is not None:
                await self.isolated.lock(model, key)
            await self._store(model, key, values)

    @statement
    async def accept(self, step: str, arrived: Sequence[Envelope]) -> set[UUID]:
        """Note in the inbox that `step` handles these events; returns the ids that it had not handled before."""
        fresh = set()
        for event_id in self.lock_order(INBOX, sorted({one.event_id for one in arrived})):
            await self.isolated.until_unrivalled(INBOX, (step, event_id))
            if self.isolated.get(INBOX, (step, event_id)) is None:
                self.write(INBOX, (step, event_id), True)
                fresh.add(event_id)
                await turn()  # as with locks, one after the other
        return fresh

    @statement
    async def handled(self, step: str, event_ids: Collection[UUID]) -> set[UUID]:
        """Those of the events that `step` has handled."""
        return {event_id for event_id in event_ids if self.isolated.get(INBOX, (step, event_id)) is not None}

    @statement
    async def put(self, messages: Sequence[Outgoing], confirmed: Collection[UUID]) -> None:
        """Store messages in the outbox, leased to this process, and take confirmed ones out of it."""
        await self._delete(confirmed)
        until = self.source.now() + LEASE
        for message in messages:
            self.write(OUTBOX, message.event_id, Stored(message, until))

    @statement
    async def lease(self, limit: int) -> list[Outgoing]:
        """Take over up to `limit` messages of the outbox whose lease has run out, and that nobody has locked."""
        free = [one for one in self.isolated.rows(OUTBOX).values() if self.may_lease(one)]
        free = [one for one in free if not self.isolated.is_locked(OUTBOX, one.message.event_id)]
        taken = [replace(one.message, attempts=one.message.attempts + 1) for one in free[:limit]]
        for message in taken:
            await self.isolated.lock(OUTBOX, message.event_id)
            self.write(OUTBOX, message.event_id, Stored(message, self.source.now() + LEASE))
        return taken

    @statement
    async def keep(self, event_ids: Collection[UUID]) -> None:
        """Lease messages for a while longer, as far as the outbox holds them and nobody has locked them."""
        for event_id, stored in list(self.isolated.rows(OUTBOX).items()):
            if event_id in event_ids and not self.isolated.is_locked(OUTBOX, event_id):
                await self.isolated.lock(OUTBOX, event_id)
                self.write(OUTBOX, event_id, Stored(stored.message, self.source.now() + LEASE))

    async def repeat(self, limit: int) -> None:
        """Nothing is asked for again: memory loses no queue."""

    @statement
    async def forget(self, confirmed: Collection[UUID]) -> None:
        """Take confirmed messages out of the outbox."""
        await self._delete(confirmed)

    async def execute(self, statement: sa.Executable) -> sa.CursorResult[Any]:
        """Memory does not understand SQL."""
        raise NotImplementedError("a statement of SQLAlchemy needs PostgreSQL")

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """Memory does not understand SQL."""
        raise NotImplementedError("a statement in SQL needs PostgreSQL")

    async def hurry(self, lock_milliseconds: int) -> None:
        """Time does not pass while somebody waits for a lock."""

    async def probe(self) -> None:
        """Memory always works."""

    async def commit(self) -> None:
        """Make it what is committed; raises RolledBackError."""
        await turn()
        self.isolated.end(commit=not self.has_failed)
        if self.has_failed:
            raise RolledBackError("an earlier error was swallowed")

    def write(self, name: Name, key: Any, row: Any) -> None:
        """Insert, change or (with None) delete a row."""
        self.isolated.write(name, key, row)

    def lock_order(self, name: Name, keys: list[Any]) -> Iterable[Any]:
        """The order in which rows are locked, given that of their primary key."""
        return keys

    def may_lease(self, stored: Stored) -> bool:
        """Whether a message may be taken over."""
        return stored.leased_until < self.source.now()

    async def _store(self, model: type[SQLModel], key: Any, values: Values) -> None:
        """Write a row that nobody else is writing; raises what PostgreSQL would refuse of it beside the others."""
        if self.is_unique:
            check_unique(model, key, values, self.isolated.rows(model))
        before = self.isolated.get(model, key)
        self.write(model, key, values)
        for place, other in references(model):
            if values[place] is not None and (before is None or before[place] != values[place]):
                await self.isolated.until_unlocked(other, values[place])
                if self.isolated.get(other, values[place]) is None:
                    raise asyncpg.ForeignKeyViolationError(f"{model.__name__}: no {other.__name__} {values[place]}")

    async def _delete(self, confirmed: Collection[UUID]) -> None:
        for event_id in sorted(confirmed):
            if self.isolated.get(OUTBOX, event_id) is not None:
                await self.isolated.lock(OUTBOX, event_id)
                self.write(OUTBOX, event_id, None)

    def _checked(self, model: type[SQLModel], row: SQLModel) -> tuple[Any, Values]:
        mapper = mapper_of(model)
        values: Values = mapper.values(row)
        check(model, values)
        return mapper.key(row), values


class MemoryDatabase(Database):
    """Runs transactions in the task of the caller, as soon as whoever drives it lets them."""

    async def run(self, work: Work[Result], lock_milliseconds: int | None = None) -> Result:
        """The result of `work`, committed."""
        return await self.attempts(work, lock_milliseconds)

    @staticmethod
    async def _sleep(_: float) -> None:
        """Time does not matter here: whoever is to go on first may."""
        await turn()


def _now() -> datetime:
    return datetime.now(UTC)
