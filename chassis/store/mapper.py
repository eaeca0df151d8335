"""Mapper: between the rows of a table and the objects of its SQLModel class, any number with one statement.

SQLAlchemy's unit of work does the same for any graph of objects, and takes several times as long (decision 16).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, cached_property
from operator import attrgetter, itemgetter
from typing import Any, TypeAlias

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import asyncpg as postgresql
from sqlmodel import SQLModel

from chassis.errors import RowGoneError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
_quote = _dialect.identifier_preparer.quote


class Mapper:
    """Reads and writes the rows of one class."""

    def __init__(self, model: type[SQLModel]) -> None:
        mapped = sa.inspect(model, raiseerr=True)
        mapped.registry.configure()  # else attributes of rows could not be set
        table: Any = mapped.local_table
        self._table = _quote(table.name)
        self._columns = {column.key: column for column in table.columns}
        self._primary_key = [column.key for column in table.primary_key]
        self._new_instance: Callable[[], Any] = mapped.class_manager.new_instance
        self._read = _conversions(self._columns.values(), lambda kind: kind.result_processor(_dialect, None))
        self._written = _conversions(self._columns.values(), lambda kind: kind.bind_processor(_dialect))
        self._selects: dict[tuple[str, bool], str] = {}
        self.key: Callable[[SQLModel], Any] = attrgetter(*self._primary_key)
        self._values: Callable[[dict[str, Any]], Any] = itemgetter(*self._columns)

    @property
    def primary_key(self) -> str:
        """The column of the primary key; raises ValueError when it has several."""
        (name,) = self._primary_key
        return str(name)

    def values(self, row: SQLModel) -> Any:
        """What a row holds: equal before and after, if nothing changed."""
        return self._values(row.__dict__)

    def refresh(self, row: SQLModel, stored: SQLModel) -> None:
        """Give a row the values of another object of the same row."""
        row.__dict__.update({name: stored.__dict__[name] for name in self._columns})

    async def select(self, connection: Connection, column: str, keys: Collection[Any], *, lock: bool) -> list[Any]:
        """The rows whose `column` is one of `keys`, in the order of their primary key.

        Whoever else locks some of them does so in the same order, so that one waits for the other.
        """
        if (column, lock) not in self._selects:
            self._selects[column, lock] = self._select(column, lock=lock)
        return self.rows(await connection.fetch(self._selects[column, lock], list(keys)), convert=True)

    def rows(self, records: Iterable[Iterable[Any]], *, convert: bool = False) -> list[Any]:
        """Records of all columns as rows; those of the driver need to be converted, those of SQLAlchemy do not."""
        return [self._row(record, convert=convert) for record in records]

    async def insert(self, connection: Connection, rows: Sequence[SQLModel]) -> None:
        """Insert rows; raises asyncpg.UniqueViolationError."""
        await connection.execute(self._insert, *self._arrays(rows))

    async def replace(self, connection: Connection, rows: Sequence[SQLModel]) -> None:
        """Insert rows, each in the place of the one that has its primary key already."""
        await connection.execute(self._replace, *self._arrays(rows))

    async def update(self, connection: Connection, rows: Sequence[SQLModel]) -> None:
        """Write the values of rows that are there; raises RowGoneError when one is not, under its primary key."""
        done = await connection.execute(self._update, *self._arrays(rows))
        if done != f"UPDATE {len(rows)}":
            raise RowGoneError(f"{self._table}: {done} for {len(rows)} rows")

    def _row(self, record: Iterable[Any], *, convert: bool) -> Any:
        """A row as SQLAlchemy loads it: `__init__` is not run."""
        row = self._new_instance()
        values = row.__dict__
        values.update(zip(self._columns, record, strict=True))
        if convert:
            for name, converted in self._read:
                values[name] = converted(values[name])
        return row

    def _arrays(self, rows: Sequence[SQLModel]) -> Iterable[list[Any]]:
        """The values of the rows, column by column."""
        arrays = {name: [row.__dict__[name] for row in rows] for name in self._columns}
        for name, convert in self._written:
            arrays[name] = [convert(value) for value in arrays[name]]
        return arrays.values()

    def _select(self, by: str, *, lock: bool) -> str:
        wanted = f"{_quote(by)} = ANY($1::{_array(self._columns[by])})"
        rows = f"SELECT {_list(self._columns)} FROM {self._table} WHERE {wanted}"  # noqa: S608  # names of the model
        return f"{rows} ORDER BY {_list(self._primary_key)}{' FOR UPDATE' if lock else ''}"

    @cached_property
    def _insert(self) -> str:
        return f"INSERT INTO {self._table} ({_list(self._columns)}) SELECT * FROM {self._given}"  # noqa: S608

    @cached_property
    def _replace(self) -> str:
        changes = ", ".join(f"{_quote(name)} = EXCLUDED.{_quote(name)}" for name in self._others)
        action = f"DO UPDATE SET {changes}" if changes else "DO NOTHING"
        return f"{self._insert} ON CONFLICT ({_list(self._primary_key)}) {action}"

    @cached_property
    def _update(self) -> str:
        changes = ", ".join(f"{_quote(name)} = given.{_quote(name)}" for name in self._others)
        same = " AND ".join(f"stored.{_quote(name)} = given.{_quote(name)}" for name in self._primary_key)
        given = f"{self._given} AS given ({_list(self._columns)})"
        return f"UPDATE {self._table} AS stored SET {changes} FROM {given} WHERE {same}"  # noqa: S608

    @property
    def _others(self) -> list[str]:
        return [name for name in self._columns if name not in self._primary_key]

    @property
    def _given(self) -> str:
        arrays = (f"${number}::{_array(column)}" for number, column in enumerate(self._columns.values(), 1))
        return f"unnest({', '.join(arrays)})"


@cache
def mapper_of(model: type[SQLModel]) -> Mapper:
    """The mapper of a class; raises sqlalchemy.exc.NoInspectionAvailable when it is no table."""
    return Mapper(model)


def _conversions(
    columns: Iterable["sa.Column[Any]"], processor: Callable[[Any], Callable[[Any], Any] | None]
) -> list[tuple[str, Callable[[Any], Any]]]:
    """The columns whose values are not the same in Python and in the driver, as enumerations are."""
    found = ((column.key, processor(column.type.dialect_impl(_dialect))) for column in columns)
    return [(name, convert) for name, convert in found if convert is not None]


def _array(column: "sa.Column[Any]") -> str:
    """The type of many values. Text has no length here: a cast to `varchar(64)` would cut off what is longer."""
    kind = column.type.compile(dialect=_dialect)
    return "TEXT[]" if "CHAR" in kind else f"{kind}[]"


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(_quote, names))
