"""Fills the tables of a service with as many rows as a busy year leaves, from what their models say of each column.

A table that is new is filled without anybody thinking of it. What matters for plans is said by hand: which rows are
old, which state is the usual one, which rows belong together, and that one user and one date have very many.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import asyncpg
import sqlalchemy as sa

ROWS = 200_000
CONCERTS, SEATS_OF_A_DATE = 20, 100
SMALL = frozenset({"alembic_version", "asked", "concert", "concert_date"})
"""Tables that do not grow with what is sold, and may be read as a whole."""

BUSY = 2_000
"""So many rows belong to one user or one date, as with a fan who charges each day or a stadium"""
UNUSUAL = 500
"""One row in so many is in another state than most, most of them long ago"""
USUAL = {
    "reservation": "CONFIRMED",
    "payment": "PAID",
    "checkout": "COMPLETED",
    "delivery": "SENT",
    "refund": "COMPLETED",
    "notice": "SENT",
}
"""The state that most rows of a table have in the end"""
OPEN_SEATS = 1_000

_TOGETHER = "(n + 5) / 6"  # rows that belong to one saga
_DATE = f"CASE WHEN n <= {BUSY} THEN 1 ELSE n / {SEATS_OF_A_DATE} + 1 END"
_LATELY = "now() - interval '26 hours' * (1 - n::float / $1)"
_THIS_MONTH = "now() - interval '31 days' * (1 - n::float / $1)"
BY_HAND = {
    "inbox.saga_id": f"('0000000a-0000-7000-8000-' || lpad(to_hex({_TOGETHER}), 12, '0'))::uuid",
    "inbox.step": "'some.step'",
    "inbox.at": _THIS_MONTH,
    "suspect.at": _THIS_MONTH,
    "tombstone.at": _THIS_MONTH,
    "said.at": _LATELY,
    "idempotency.at": _LATELY,
    "reservation.ask_at": "NULL",
    "wallet.user_id": "'fan-' || n",
    "seat.date_id": _DATE,
    "seat.status": f"CASE WHEN n <= {OPEN_SEATS} THEN 'AVAILABLE' ELSE 'RESERVED' END",
    "seat.price": "100",
    "refund.cause": "'called-off'",
    "seat.revoked": f"CASE WHEN n % {10 * UNUSUAL} = 0 THEN 'called-off' END",
    "seat.revoke_at": f"CASE WHEN n % {10 * UNUSUAL} = 0 THEN now() END",
    "concert_date.called_off_at": "NULL",
    "concert_date.concert_id": f"n % {CONCERTS} + 1",
}

_FEW: dict[str, Callable[[int], int]] = {
    "concert": lambda _: CONCERTS,
    "concert_date": lambda rows: rows // SEATS_OF_A_DATE + 1,
}
_INDEXES = """
    SELECT indexname AS name, indexdef AS definition FROM pg_indexes
    WHERE schemaname = 'public' AND indexname NOT IN (SELECT conname FROM pg_constraint)
    """


async def fill(
    connection: "asyncpg.Connection[asyncpg.Record]",
    metadata: Iterable[sa.MetaData],
    rows: int,
    smaller: Collection[str] = (),
) -> None:
    """Put `rows` rows into all tables, fewer into some, and let the planner know; takes a superuser."""
    # Where indexes are made afterwards and nobody looks up what is referred to, it takes a third of the time.
    await connection.execute("SET session_replication_role = replica")
    indexes = await connection.fetch(_INDEXES)
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    for table in (table for one in metadata for table in one.sorted_tables):
        count = min(rows, ROWS) if table.name in smaller else rows
        few = _FEW.get(table.name)
        await connection.execute(insert(table), few(count) if few else count)
    for index in indexes:
        await connection.execute(index["definition"])
    await connection.execute("VACUUM ANALYZE")


def insert(table: sa.Table) -> str:
    """The statement that puts $1 rows into a table."""
    values = {
        column.name: BY_HAND.get(f"{table.name}.{column.name}", _value(table, column)) for column in table.columns
    }
    columns, sources = ", ".join(f'"{name}"' for name in values), ", ".join(values.values())
    return f'INSERT INTO "{table.name}" ({columns}) SELECT {sources} FROM generate_series(1, $1::int) n'  # noqa: S608


def _value(table: sa.Table, column: "sa.Column[Any]") -> str:
    """A value of the column's kind for row number n; the larger n, the younger the row."""
    if isinstance(column.type, sa.Interval):
        return "interval '2 seconds'"
    kind = column.type.impl_instance if isinstance(column.type, sa.TypeDecorator) else column.type
    if isinstance(kind, sa.Enum):
        return _state(kind.enums, USUAL.get(table.name))
    if isinstance(kind, sa.Uuid):
        number = 1 + list(table.columns).index(column)
        return f"('0000000{number:x}-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
    if isinstance(kind, sa.String):
        name = f"CASE WHEN n <= {BUSY} THEN 'busy' ELSE 'fan-' || n END" if column.name == "user_id" else "'x-' || n"
        return f"left({name}, {kind.length})" if kind.length else f"({name})"
    return next(value for of, value in _VALUES.items() if isinstance(kind, of))


_VALUES: dict[type[Any], str] = {
    sa.JSON: "'{}'::json",
    sa.Boolean: "true",
    sa.Integer: "n",
    sa.DateTime: "now() - interval '92 days' * (1 - n::float / $1)",
}


def _state(states: Sequence[str], usual: str | None) -> str:
    every = f"(ARRAY{list(states)})"
    if usual not in states:
        return f"{every}[n % {len(states)} + 1]"
    return f"CASE WHEN n % {UNUSUAL} = 0 THEN {every}[n / {UNUSUAL} % {len(states)} + 1] ELSE '{usual}' END"
