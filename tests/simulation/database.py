"""The database of one service, in memory: rows, inbox and outbox change together or not at all."""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, cached_property
from typing import Any, TypeVar
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlmodel import SQLModel

from chassis.choreography.envelope import Envelope
from chassis.choreography.step import Kind, Step
from chassis.store.transaction import split
from contracts.event import Event

Row = TypeVar("Row", bound=SQLModel)
Values = Mapping[str, Any]
Table = Mapping[Any, Values]


class UniqueViolationError(Exception):
    """A row that is there already, by its primary key or by another unique constraint."""


@dataclass(frozen=True)
class Database:
    """What is committed. It never changes: a commit makes the next one, so whoever keeps this one has a snapshot."""

    tables: Mapping[type[SQLModel], Table] = field(default_factory=dict)
    inbox: frozenset[tuple[str, UUID]] = frozenset()
    outbox: Mapping[UUID, Envelope] = field(default_factory=dict)
    said: Mapping[UUID, int] = field(default_factory=dict)

    def table(self, model: type[SQLModel]) -> Table:
        """The rows of a table by primary key."""
        return self.tables.get(model, {})

    def rows(self, model: type[Row]) -> list[Row]:
        """All rows of a table, to be read only."""
        return self._read.get(model, [])

    def insert(self, rows: Sequence[SQLModel], *, unique: bool = True) -> "Database":
        """With more rows; raises UniqueViolationError, unless such constraints are switched off."""
        tables = dict(self.tables)
        for row in rows:
            values, model = _values(row), type(row)
            if unique:
                _check_unique(model, values, tables.get(model, {}).values())
            tables[model] = {**tables.get(model, {}), values[_primary_key(model)]: values}
        return replace(self, tables=tables)

    def update(self, rows: Iterable[SQLModel]) -> "Database":
        """With other values in rows, whether or not they are there."""
        tables = dict(self.tables)
        for row in rows:
            values, model = _values(row), type(row)
            tables[model] = {**tables.get(model, {}), values[_primary_key(model)]: values}
        return replace(self, tables=tables)

    def forget(self, event_ids: Collection[UUID]) -> "Database":
        """Without these messages in the outbox."""
        return replace(self, outbox={key: value for key, value in self.outbox.items() if key not in event_ids})

    @cached_property
    def fingerprint(self) -> Hashable:
        """Equal for databases that no step can tell apart."""
        tables = frozenset(
            (model, frozenset(map(_seen(model), table.values()))) for model, table in self.tables.items()
        )
        return tables, self.inbox, frozenset(self.outbox)

    @cached_property
    def _read(self) -> dict[type[SQLModel], list[Any]]:
        return {model: [_row(model, values) for values in table.values()] for model, table in self.tables.items()}


class Transaction:
    """Works on copies of rows. What it has done counts with `commit`; to drop it is to roll it back."""

    def __init__(self, database: Database, now: datetime, *, unique: bool = True) -> None:
        self.said: list[Envelope] = []
        self._database = database
        self._now = now
        self._unique = unique
        self._loaded: dict[tuple[type[SQLModel], Any], Any] = {}
        self._new: list[SQLModel] = []
        self._replacing: list[SQLModel] = []
        self._accepted: set[tuple[str, UUID]] = set()
        self._counted = Counter(database.said)

    def accept(self, step: Step, arrived: Iterable[Envelope]) -> list[Envelope]:
        """The inbox: those that the step has not handled yet, once each."""
        fresh = []
        for envelope in arrived:
            key = (step.queue, envelope.event_id)
            if key not in self._database.inbox and key not in self._accepted:
                self._accepted.add(key)
                fresh.append(envelope)
        return fresh

    def load(self, model: type[Row], column: str, keys: Collection[Any]) -> list[Row]:
        """The rows with one of the keys, in the order of their primary key; the same objects each time."""
        table = self._database.table(model)
        return [self._once(model, key, table[key]) for key in sorted(table) if table[key][column] in keys]

    def keep(self, step: Step, outcome: Any, cause: Envelope | None = None) -> list[SQLModel]:
        """Take what a step returned, an event and the rows that come into being with it; gives back the rows.

        The rows of an effect replace those of an earlier time, as in `chassis.store.transaction`.
        """
        event, rows = split(outcome)
        (self._replacing if step.kind is Kind.EFFECT else self._new).extend(rows)
        if event is not None:
            self._say(event, step, cause)
        return rows

    def commit(self) -> Database:
        """The database with everything that was done; raises UniqueViolationError."""
        return replace(
            self.rows_alone(),
            inbox=self._database.inbox | self._accepted,
            outbox={**self._database.outbox, **{envelope.event_id: envelope for envelope in self.said}},
            said=self._counted,
        )

    def rows_alone(self) -> Database:
        """The database with the rows and nothing else, as if they were not committed together."""
        return self._database.insert(self._new, unique=self._unique).update([*self._loaded.values(), *self._replacing])

    def _say(self, event: Event, step: Step, cause: Envelope | None) -> None:
        """The id of an event follows from what caused it, so it is the same in every order of things."""
        source = derived_id(cause.event_id if cause else event.saga_id, f"{step.queue} {event.name}")
        self._counted[source] += 1
        event_id = derived_id(source, str(self._counted[source]))
        self.said.append(Envelope(event, event_id, cause.event_id if cause else None, self._now, traceparent=""))

    def _once(self, model: type[Row], key: object, values: Values) -> Row:
        if (model, key) not in self._loaded:
            self._loaded[model, key] = _row(model, values)
        row: Row = self._loaded[model, key]
        return row


derived_id = cache(uuid5)


def _row(model: type[Row], values: Values) -> Row:
    """A row as SQLAlchemy loads it: `__init__` is not run."""
    row: Row = _new_instance(model)()
    row.__dict__.update(values)
    return row


def _values(row: SQLModel) -> Values:
    return {name: row.__dict__[name] for name in type(row).model_fields}


@cache
def _new_instance(model: type[SQLModel]) -> Callable[[], Any]:
    factory: Callable[[], Any] = sa.inspect(model, raiseerr=True).class_manager.new_instance
    return factory


@cache
def _primary_key(model: type[SQLModel]) -> str:
    (column,) = sa.inspect(model, raiseerr=True).primary_key
    return str(column.key)


@cache
def _unique(model: type[SQLModel]) -> tuple[tuple[str, ...], ...]:
    """The columns of the primary key and of each unique constraint."""
    table: Any = sa.inspect(model, raiseerr=True).local_table
    constraints = [one for one in table.constraints if isinstance(one, sa.UniqueConstraint | sa.PrimaryKeyConstraint)]
    return tuple(tuple(column.key for column in constraint.columns) for constraint in constraints)


def _check_unique(model: type[SQLModel], values: Values, others: Collection[Values]) -> None:
    for names in _unique(model):
        mine = [values[name] for name in names]
        if None not in mine and any(mine == [theirs[name] for name in names] for theirs in others):
            raise UniqueViolationError(f"{model.__name__}: {dict(zip(names, mine, strict=True))} is there already")


@cache
def _seen(model: type[SQLModel]) -> Callable[[Values], tuple[Any, ...]]:
    """Reads the columns that matter to steps: not the ones that a row fills by itself, with an id or the time."""
    names = [name for name, field in model.model_fields.items() if field.default_factory is None]
    return lambda values: tuple(values[name] for name in names)
