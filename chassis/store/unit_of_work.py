"""Unit of work: the rows that one transaction has read, locked or made, and what of them has to be written.

Each row is one object, however often and in whatever way it is asked for; what a batch does to it is written once, at
the end.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar, cast

from sqlmodel import SQLModel
from sqlmodel.sql.expression import SelectOfScalar

from chassis.errors import NotLockedError
from chassis.store.mapper import mapper_of
from chassis.store.session import Row, Session

Selected = TypeVar("Selected", bound=SQLModel)


class _Known:
    """A row with its values as they are stored, and whether it is locked."""

    __slots__ = ("before", "locked", "row")

    def __init__(self, row: SQLModel, before: Any, *, locked: bool) -> None:
        self.row, self.before, self.locked = row, before, locked


class UnitOfWork:
    """The rows of one transaction, over its session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: defaultdict[type[SQLModel], dict[Any, _Known]] = defaultdict(dict)
        self._new: defaultdict[type[SQLModel], list[SQLModel]] = defaultdict(list)
        self._replacing: defaultdict[type[SQLModel], list[SQLModel]] = defaultdict(list)

    async def select(self, model: type[Row], column: str, keys: Collection[Any], *, lock: bool) -> list[Row]:
        """The stored rows whose `column` is one of `keys`, in the order of their primary key."""
        if not keys:
            return []
        return self._know(model, await self._session.select(model, column, keys, lock=lock), locked=lock)

    async def query(self, statement: SelectOfScalar[Selected]) -> list[Selected]:
        """The stored rows of one class that a statement finds, in its order."""
        model = statement.column_descriptions[0]["entity"]
        records = (await self._session.execute(statement)).all()
        return self._know(model, mapper_of(model).rows(records), locked=False)

    def add(self, rows: Iterable[SQLModel]) -> None:
        """Store new rows at the end."""
        for row in rows:
            self._new[type(row)].append(row)

    def replace(self, rows: Iterable[SQLModel]) -> None:
        """Store rows at the end, each replacing the one with the same primary key, if there is one."""
        for row in rows:
            self._replacing[type(row)].append(row)

    async def flush(self) -> None:
        """Write what has changed and what is new, with one statement for each table and kind of change.

        Comes once, at the end. Raises NotLockedError, RowGoneError, or what the database refuses.
        """
        for model, known in self._known.items():
            if changed := _changed(model, known.values()):
                await self._session.update(model, changed)
        for model, rows in self._new.items():
            await self._session.insert(model, rows)
        for model, rows in self._replacing.items():
            await self._session.replace(model, rows)

    def _know(self, model: type[Row], rows: Sequence[Row], *, locked: bool) -> list[Row]:
        """The rows as this transaction knows them: the same object each time. A lock shows what is stored now."""
        mapper, known = mapper_of(model), self._known[model]
        found = []
        for row in rows:
            one = known.get(key := mapper.key(row))
            if one is None:
                one = known[key] = _Known(row, mapper.values(row), locked=locked)
            elif locked and not one.locked:
                one.before, one.locked = mapper.values(row), True
                mapper.refresh(one.row, row)
            found.append(cast("Row", one.row))
        return found


def _changed(model: type[SQLModel], known: Iterable[_Known]) -> list[SQLModel]:
    values = mapper_of(model).values
    changed = [one for one in known if values(one.row) != one.before]
    for one in changed:
        if not one.locked:
            key = mapper_of(model).key(one.row)
            raise NotLockedError(f"{model.__name__} {key} was changed without a lock: read it with `lock`")
    return [one.row for one in changed]
