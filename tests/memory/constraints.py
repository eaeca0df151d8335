"""What a table demands of its rows, as PostgreSQL would check it.

A constraint that is not understood here is an error: a store that accepts what PostgreSQL refuses would be a lie.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlmodel import SQLModel

Values = tuple[Any, ...]
Table = Mapping[Any, Values]
"""The rows of a table by their primary key"""
Check = Callable[[Any], None]

_COMPARISON = re.compile(r"(\w+) (>=|>) (-?\d+)")
_OPERATORS = {">": operator.gt, ">=": operator.ge}
_BITS = {sa.SmallInteger: 15, sa.BigInteger: 63, sa.Integer: 31}


def check(model: type[SQLModel], values: Values) -> None:
    """Raise the asyncpg.PostgresError of what PostgreSQL would refuse of a row by itself."""
    for place, one in _checks(model):
        one(values[place])


def check_keys(model: type[SQLModel], column: str, keys: Iterable[Any]) -> None:
    """Raise the asyncpg.PostgresError of keys that could not even be sent, or looked for."""
    checks = list(_of_any_value(_table(model).columns[column]))
    for key in keys:
        for one in checks:
            one(key)


def check_unique(model: type[SQLModel], key: Any, values: Values, table: Table) -> None:
    """Raise asyncpg.UniqueViolationError when another row than that of `key` is the same to a unique constraint."""
    if not _unique(model):
        return
    for other, theirs in table.items():
        if other != key and same_to_a_constraint(model, values, theirs):
            raise asyncpg.UniqueViolationError(f"{model.__name__}: {values} is there already")


def same_to_a_constraint(model: type[SQLModel], one: Values, other: Values) -> bool:
    """Whether two rows cannot be there together; rows in which a column is empty can."""
    return any(
        all(one[place] is not None and one[place] == other[place] for place in places) for places in _unique(model)
    )


@cache
def references(model: type[SQLModel]) -> tuple[tuple[int, type[SQLModel]], ...]:
    """The places of the columns that refer to the primary key of another table, and the class of that table."""
    found = []
    for place, column in enumerate(_table(model).columns):
        for foreign in column.foreign_keys:
            if list(foreign.column.table.primary_key) != [foreign.column]:
                raise NotImplementedError(f"memory understands references to primary keys only: {column}")
            mappers = sa.inspect(model, raiseerr=True).registry.mappers
            found.append((place, next(one.class_ for one in mappers if one.local_table is foreign.column.table)))
    return tuple(found)


@cache
def _checks(model: type[SQLModel]) -> tuple[tuple[int, Check], ...]:
    """What each value has to be, with its place."""
    table = _table(model)
    checks = [
        (place, one)
        for place, column in enumerate(table.columns)
        for one in (*_of_any_value(column), *_of_stored_value(column))
    ]
    constraints = [one for one in table.constraints if isinstance(one, sa.CheckConstraint)]
    # The constraint of an enumeration is in the row's own type: a row holds members only.
    return (*checks, *(_compared(table, one) for one in constraints if not _is_of_enumeration(one)))


def _of_any_value(column: Any) -> Iterator[Check]:
    """What is refused of a value, whatever it is for."""

    def is_in_range(value: Any) -> None:
        if value is not None and not -(2**bits) <= value < 2**bits:
            raise asyncpg.DataError(f"{column.name} is out of range")

    def is_text(value: Any) -> None:
        if value is not None and "\x00" in value:
            raise asyncpg.CharacterNotInRepertoireError(f"{column.name} holds the character 0")

    bits = next((bits for kind, bits in _BITS.items() if isinstance(column.type, kind)), 0)
    if bits:
        yield is_in_range
    if _is_text(column):
        yield is_text


def _of_stored_value(column: Any) -> Iterator[Check]:
    """What is refused of a value that is to be stored."""

    def is_there(value: Any) -> None:
        if value is None:
            raise asyncpg.NotNullViolationError(f"{column.name} must not be null")

    def fits(value: Any) -> None:
        if value is not None and len(value) > column.type.length:
            raise asyncpg.StringDataRightTruncationError(f"{column.name} is longer than {column.type.length}")

    if not column.nullable:
        yield is_there
    if _is_text(column) and getattr(column.type, "length", None):
        yield fits


def _is_text(column: Any) -> bool:
    kind = getattr(column.type, "impl", column.type)
    return isinstance(kind, sa.String) and not isinstance(column.type, sa.Enum)


def _compared(table: Any, constraint: sa.CheckConstraint) -> tuple[int, Check]:
    found = _COMPARISON.fullmatch(str(constraint.sqltext))
    if found is None:
        raise NotImplementedError(f"a constraint that memory does not understand: {constraint.sqltext}")
    place = [column.name for column in table.columns].index(found[1])
    holds, bound = _OPERATORS[found[2]], int(found[3])

    def compare(value: Any) -> None:
        if value is not None and not holds(value, bound):
            raise asyncpg.CheckViolationError(f"{constraint.name}: {value}")

    return place, compare


def _is_of_enumeration(constraint: sa.CheckConstraint) -> bool:
    return bool(getattr(constraint, "_type_bound", False))


@cache
def _unique(model: type[SQLModel]) -> tuple[tuple[int, ...], ...]:
    """The places of the columns of each unique constraint, apart from the primary key."""
    table = _table(model)
    if any(index.unique for index in table.indexes):
        raise NotImplementedError(f"memory does not understand the unique index of {model.__name__}")
    names = [column.key for column in table.columns]
    constraints = [one for one in table.constraints if isinstance(one, sa.UniqueConstraint)]
    return tuple(tuple(names.index(column.key) for column in constraint.columns) for constraint in constraints)


@cache
def _table(model: type[SQLModel]) -> Any:
    return sa.inspect(model, raiseerr=True).local_table
