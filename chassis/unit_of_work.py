"""Unit of work: the rows that one transaction has locked or made, and what of them has to be written.

Each row is one object, however often it is asked for; what a batch does to it is written once, at the end.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, TypeVar, cast

from sqlmodel import SQLModel

from chassis.mapper import Connection, mapper_of

Row = TypeVar("Row", bound=SQLModel)


class _Locked(NamedTuple):
    row: SQLModel
    before: Any
    """Its values when it was locked"""


class UnitOfWork:
    """The rows of one transaction, over its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._locked: defaultdict[type[SQLModel], dict[Any, _Locked]] = defaultdict(dict)
        self._new: defaultdict[type[SQLModel], list[SQLModel]] = defaultdict(list)
        self._replacing: defaultdict[type[SQLModel], list[SQLModel]] = defaultdict(list)

    async def lock(self, model: type[Row], column: str, keys: Collection[Any]) -> list[Row]:
        """The stored rows whose `column` is one of `keys`, locked and in the order of their primary key."""
        if not keys:
            return []
        mapper, known = mapper_of(model), self._locked[model]
        found = []
        for row in await mapper.lock(self._connection, column, keys):
            locked = known.setdefault(mapper.key(row), _Locked(row, mapper.values(row)))
            found.append(cast("Row", locked.row))
        return found

    def add(self, rows: Iterable[SQLModel]) -> None:
        """Have rows stored that are new."""
        for row in rows:
            self._new[type(row)].append(row)

    def replace(self, rows: Iterable[SQLModel]) -> None:
        """Have rows stored, each in the place of the one that has its primary key already, if there is one."""
        for row in rows:
            self._replacing[type(row)].append(row)

    async def flush(self) -> None:
        """Write what has changed and what is new, with one statement for each table and kind of change.

        Comes once, at the end. Raises RowGoneError, or the asyncpg.PostgresError of what the database refuses.
        """
        for model, locked in self._locked.items():
            mapper = mapper_of(model)
            if changed := [one.row for one in locked.values() if mapper.values(one.row) != one.before]:
                await mapper.update(self._connection, changed)
        for model, rows in self._new.items():
            await mapper_of(model).insert(self._connection, rows)
        for model, rows in self._replacing.items():
            await mapper_of(model).replace(self._connection, rows)
