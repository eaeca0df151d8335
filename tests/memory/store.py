"""The database of one service, in memory: rows, inbox and outbox change together or not at all.

One transaction runs at a time, so locks are taken for granted. Errors are those of asyncpg, because the frame judges
errors by their class.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any, TypeVar
from uuid import UUID, uuid5

import asyncpg
import sqlalchemy as sa
from sqlmodel import SQLModel

from chassis.choreography.envelope import Envelope
from chassis.errors import RowGoneError
from chassis.store.database import Database, Work
from chassis.store.mapper import mapper_of
from chassis.store.outbox import LEASE, Outgoing
from chassis.store.session import Row, Session
from chassis.store.transaction import Identity
from contracts.event import Event
from tests.memory.constraints import Table, Values, check, check_keys, check_references, check_unique

derived_id = cache(uuid5)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Stored:
    """A message of the outbox, and until when nobody else may publish it."""

    message: Outgoing
    leased_until: datetime


@dataclass(frozen=True)
class Committed:
    """What is committed. It never changes: a commit makes the next one, so whoever keeps this one has a snapshot."""

    tables: Mapping[type[SQLModel], Table] = field(default_factory=dict)
    inbox: frozenset[tuple[str, UUID]] = frozenset()
    outbox: Mapping[UUID, Stored] = field(default_factory=dict)
    said: Mapping[UUID, int] = field(default_factory=dict)
    """How often each thing was said, so that ids can follow from what is said"""

    def rows(self, model: type[Row]) -> list[Row]:
        """All rows of a table, to be read only."""
        if model not in self._read:
            self._read[model] = mapper_of(model).rows(self.tables.get(model, {}).values())
        return self._read[model]

    @cached_property
    def fingerprint(self) -> Hashable:
        """Equal for databases that no step can tell apart."""
        tables = frozenset(
            (model, frozenset(map(_seen(model), table.values()))) for model, table in self.tables.items()
        )
        return tables, self.inbox, frozenset(self.outbox)

    @cached_property
    def _read(self) -> dict[type[SQLModel], list[Any]]:
        return {}


class MemorySource:
    """Holds what is committed, and opens sessions on it. `now` may be set, and says the time to the database."""

    def __init__(self, committed: Committed | None = None) -> None:
        self.committed = committed or Committed()
        self.now: Callable[[], datetime] = _now
        self.is_unique = True
        """Whether unique constraints are kept"""
        self.said: Counter[UUID] = Counter()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A new session, rolled back when its context ends without a commit."""
        self.said = Counter(self.committed.said)
        yield self.open()

    def open(self) -> "MemorySession":
        """A session on what is committed now."""
        return MemorySession(self)

    async def close(self) -> None:
        """Nothing is open."""

    def event_id(self, event: Event, cause: Envelope | None) -> UUID:
        """An id that follows from what is said, because of what, and how often: the same in every run."""
        source = derived_id(cause.event_id if cause else event.saga_id, event.name)
        self.said[source] += 1
        return derived_id(source, str(self.said[source]))

    @property
    def identity(self) -> Identity:
        """The time and the ids of this database."""
        return Identity(now=self.now, event_id=self.event_id)


class MemorySession:
    """An open transaction: what it does is seen by itself, and by others once it has committed."""

    def __init__(self, source: MemorySource) -> None:
        self._source = source
        self.state = source.committed

    async def select(self, model: type[Row], column: str, keys: Collection[Any], *, lock: bool) -> list[Row]:
        """The rows whose `column` is one of `keys`, in the order of their primary key."""
        check_keys(model, column, keys)
        table, place = self.state.tables.get(model, {}), _columns(model).index(column)
        return mapper_of(model).rows(table[key] for key in sorted(table) if table[key][place] in keys)

    async def insert(self, model: type[SQLModel], rows: Sequence[SQLModel]) -> None:
        """Insert rows; raises asyncpg.UniqueViolationError."""
        mapper, table = mapper_of(model), dict(self.state.tables.get(model, {}))
        for row in rows:
            if self._source.is_unique and mapper.key(row) in table:
                raise asyncpg.UniqueViolationError(f"{model.__name__}: {mapper.key(row)} is there already")
            table[mapper.key(row)] = self._checked(model, row, table)
        self._put_table(model, table)

    async def update(self, model: type[SQLModel], rows: Sequence[SQLModel]) -> None:
        """Write the values of rows; raises RowGoneError when one is not there under its primary key."""
        mapper, table = mapper_of(model), dict(self.state.tables.get(model, {}))
        for row in rows:
            if mapper.key(row) not in table:
                raise RowGoneError(f"{model.__name__}: {mapper.key(row)}")
            table[mapper.key(row)] = self._checked(model, row, table)
        self._put_table(model, table)

    async def replace(self, model: type[SQLModel], rows: Sequence[SQLModel]) -> None:
        """Insert rows, each in the place of the one that has its primary key already."""
        mapper, table = mapper_of(model), dict(self.state.tables.get(model, {}))
        if len({mapper.key(row) for row in rows}) < len(rows):
            raise asyncpg.CardinalityViolationError(f"{model.__name__}: a row cannot be replaced twice at once")
        for row in rows:
            table[mapper.key(row)] = self._checked(model, row, table)
        self._put_table(model, table)

    async def accept(self, step: str, arrived: Sequence[Envelope]) -> set[UUID]:
        """Note in the inbox that `step` handles these events; returns the ids that it had not handled before."""
        fresh = {one.event_id for one in arrived} - await self.handled(step, [one.event_id for one in arrived])
        self.state = replace(self.state, inbox=self.state.inbox | {(step, event_id) for event_id in fresh})
        return fresh

    async def handled(self, step: str, event_ids: Collection[UUID]) -> set[UUID]:
        """Those of the events that `step` has handled."""
        return {event_id for event_id in event_ids if (step, event_id) in self.state.inbox}

    async def put(self, messages: Sequence[Outgoing], confirmed: Collection[UUID]) -> None:
        """Store messages in the outbox, leased to this process, and take confirmed ones out of it."""
        await self.forget(confirmed)
        until = self._source.now() + LEASE
        new = {message.event_id: Stored(message, until) for message in messages}
        self.state = replace(self.state, outbox={**self.state.outbox, **new})

    async def lease(self, limit: int) -> list[Outgoing]:
        """Take over up to `limit` messages of the outbox whose lease has run out."""
        now = self._source.now()
        free = [one for one in self.state.outbox.values() if one.leased_until < now]
        taken = [replace(one.message, attempts=one.message.attempts + 1) for one in free[:limit]]
        leased = {message.event_id: Stored(message, now + LEASE) for message in taken}
        self.state = replace(self.state, outbox={**self.state.outbox, **leased})
        return taken

    async def repeat(self, limit: int) -> None:
        """Nothing is asked for again: memory loses no queue."""

    async def forget(self, confirmed: Collection[UUID]) -> None:
        """Take confirmed messages out of the outbox."""
        if confirmed:
            kept = {key: value for key, value in self.state.outbox.items() if key not in confirmed}
            self.state = replace(self.state, outbox=kept)

    async def execute(self, statement: sa.Executable) -> sa.CursorResult[Any]:
        """Memory does not understand SQL."""
        raise NotImplementedError("a statement of SQLAlchemy needs PostgreSQL")

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """Memory does not understand SQL."""
        raise NotImplementedError("a statement in SQL needs PostgreSQL")

    async def hurry(self, lock_milliseconds: int) -> None:
        """Nobody waits for a lock here."""

    async def probe(self) -> None:
        """Memory always works."""

    async def commit(self) -> None:
        """Make it what is committed."""
        self._source.committed = replace(self.state, said=dict(self._source.said))

    def _checked(self, model: type[SQLModel], row: SQLModel, table: Table) -> Values:
        mapper = mapper_of(model)
        values: Values = mapper.values(row)
        check(model, values)
        check_references(model, values, {**self.state.tables, model: table})
        if self._source.is_unique:
            check_unique(model, mapper.key(row), values, table)
        return values

    def _put_table(self, model: type[SQLModel], table: Table) -> None:
        self.state = replace(self.state, tables={**self.state.tables, model: table})


class MemoryDatabase(Database):
    """Runs transactions in the task of the caller, one after the other."""

    async def run(self, work: Work[Result], lock_milliseconds: int | None = None) -> Result:
        """The result of `work`, committed."""
        return await self.attempts(work, lock_milliseconds)


def _now() -> datetime:
    return datetime.now(UTC)


@cache
def _seen(model: type[SQLModel]) -> Callable[[Values], Values]:
    """Reads the columns that matter to steps: not the ones that a row fills by itself, with an id or the time."""
    fields = model.model_fields
    places = [place for place, name in enumerate(_columns(model)) if fields[name].default_factory is None]
    return lambda values: tuple(values[place] for place in places)


@cache
def _columns(model: type[SQLModel]) -> list[str]:
    table: Any = sa.inspect(model, raiseerr=True).local_table
    return [str(column.key) for column in table.columns]
