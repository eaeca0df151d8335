"""What a table demands of its rows, as PostgreSQL would check it.

A constraint that is not understood here is an error: a store that accepts what PostgreSQL refuses would be a lie.
"""

import operator
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlmodel import SQLModel

Values = tuple[Any, ...]
Check = Callable[[Values], None]

_COMPARISON = re.compile(r"(\w+) (>=|>) (-?\d+)")
_OPERATORS = {">": operator.gt, ">=": operator.ge}
_BITS = {sa.SmallInteger: 15, sa.BigInteger: 63, sa.Integer: 31}


def check(model: type[SQLModel], values: Values) -> None:
    """Raise the asyncpg.PostgresError of what PostgreSQL would refuse, apart from duplicates."""
    for one in _checks(model):
        one(values)


def check_unique(model: type[SQLModel], values: Values, others: Iterable[Values]) -> None:
    """Raise asyncpg.UniqueViolationError when a row is there already, by its primary key or a unique constraint."""
    for places in _unique(model):
        mine = [values[place] for place in places]
        if None not in mine and any(mine == [theirs[place] for place in places] for theirs in others):
            raise asyncpg.UniqueViolationError(f"{model.__name__}: {mine} is there already")


@cache
def _checks(model: type[SQLModel]) -> tuple[Check, ...]:
    table = _table(model)
    columns = list(table.columns)
    checks = [check for place, column in enumerate(columns) for check in _of_column(place, column)]
    constraints = [one for one in table.constraints if isinstance(one, sa.CheckConstraint)]
    # The constraint of an enumeration is in the row's own type: a row holds members only.
    return (*checks, *(_compared(table, one) for one in constraints if not _is_of_enumeration(one)))


def _of_column(place: int, column: Any) -> Iterable[Check]:
    def is_there(values: Values) -> None:
        if values[place] is None:
            raise asyncpg.NotNullViolationError(f"{column.name} must not be null")

    def fits(values: Values) -> None:
        if values[place] is not None and len(values[place]) > column.type.length:
            raise asyncpg.StringDataRightTruncationError(f"{column.name} is longer than {column.type.length}")

    def is_in_range(values: Values) -> None:
        if values[place] is not None and not -(2**bits) <= values[place] < 2**bits:
            raise asyncpg.DataError(f"{column.name} is out of range")

    if not column.nullable:
        yield is_there
    if not isinstance(column.type, sa.Enum) and getattr(column.type, "length", None):
        yield fits
    bits = next((bits for kind, bits in _BITS.items() if isinstance(column.type, kind)), 0)
    if bits:
        yield is_in_range


def _compared(table: Any, constraint: sa.CheckConstraint) -> Check:
    found = _COMPARISON.fullmatch(str(constraint.sqltext))
    if found is None:
        raise NotImplementedError(f"a constraint that memory does not understand: {constraint.sqltext}")
    place = [column.name for column in table.columns].index(found[1])
    holds, bound = _OPERATORS[found[2]], int(found[3])

    def compare(values: Values) -> None:
        if values[place] is not None and not holds(values[place], bound):
            raise asyncpg.CheckViolationError(f"{constraint.name}: {values[place]}")

    return compare


def _is_of_enumeration(constraint: sa.CheckConstraint) -> bool:
    return bool(getattr(constraint, "_type_bound", False))


@cache
def _unique(model: type[SQLModel]) -> tuple[tuple[int, ...], ...]:
    """The places of the columns of the primary key and of each unique constraint."""
    table = _table(model)
    if any(index.unique for index in table.indexes):
        raise NotImplementedError(f"memory does not understand the unique index of {model.__name__}")
    names = [column.key for column in table.columns]
    constraints = [one for one in table.constraints if isinstance(one, sa.UniqueConstraint | sa.PrimaryKeyConstraint)]
    return tuple(tuple(names.index(column.key) for column in constraint.columns) for constraint in constraints)


def _table(model: type[SQLModel]) -> Any:
    return sa.inspect(model, raiseerr=True).local_table
