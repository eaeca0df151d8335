"""Retention: rows that are old enough are deleted, a bounded number in each transaction."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from chassis.store.database import Database
from chassis.store.transaction import Transaction

MAX_DELETED = 1_000
PURGE_INTERVAL = timedelta(minutes=5)

Purge = Callable[[Database], Awaitable[None]]


@dataclass(frozen=True)
class Retention:
    """Rows of a table go when the moment in this column is longer ago than `age`, if they are of the kind in `only`."""

    table: str
    column: str
    age: timedelta
    only: str = "true"
    """A condition in SQL"""

    @property
    def what(self) -> str:
        """Which rows go, in words."""
        return f"`{self.table}`" if self.only == "true" else f"`{self.table}` where `{self.only}`"


def purging(*retentions: Retention) -> Purge:
    """The work that deletes what these retentions let go."""

    async def purge(database: Database) -> None:
        for retention in retentions:
            while await database.run(_purge_some(retention)) == MAX_DELETED:
                pass

    kept = (f"{one.what} after {one.age / timedelta(days=1):g} d (`{one.column}`)" for one in retentions)
    purge.__doc__ = f"Delete old rows: {', '.join(kept)}."
    return purge


def unless_parked(depth: Callable[[], Awaitable[float]], retention: Retention) -> Purge:
    """The work that deletes what a retention lets go, and half of it later while messages are parked or nobody knows.

    A parked message may be put back at any time, and has to meet the inbox row of its event then. The broker does not
    count those that somebody is looking at; so two rounds in a row have to find nothing, further apart than one may
    look. But one message that nobody cares for must not keep everything for ever: after twice the age, rows go.
    """
    soon = purging(retention)
    late = purging(replace(retention, age=2 * retention.age))
    empty = 0

    async def purge(database: Database) -> None:
        nonlocal empty
        empty = empty + 1 if await depth() == 0 else 0
        await (soon if empty > 1 else late)(database)

    return purge


def _purge_some(retention: Retention) -> Callable[[Transaction], Awaitable[int]]:
    """Delete some of the rows, and say how many went. Rows that another replica is deleting are left to it."""
    delete = f"""
        DELETE FROM {retention.table} WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM {retention.table} WHERE {retention.column} < now() - $1::interval AND {retention.only}
            ORDER BY {retention.column} LIMIT $2 FOR UPDATE SKIP LOCKED
        ))
        RETURNING 1
        """  # noqa: S608  # names from the code, not from a client

    async def purge_some(transaction: Transaction) -> int:
        return len(await transaction.fetch(delete, retention.age, MAX_DELETED))

    return purge_some
