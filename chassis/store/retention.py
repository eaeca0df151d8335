"""Retention: rows that are old enough are deleted, a bounded number in each transaction."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from chassis.store.database import Database
from chassis.store.transaction import Transaction

MAX_DELETED = 1_000
PURGE_INTERVAL = timedelta(minutes=5)

Purge = Callable[[Database], Awaitable[None]]


@dataclass(frozen=True)
class Retention:
    """Rows of a table go when the moment in this column is longer ago than `age`."""

    table: str
    column: str
    age: timedelta


def purging(*retentions: Retention) -> Purge:
    """The work that deletes what these retentions let go."""

    async def purge(database: Database) -> None:
        for retention in retentions:
            while await database.run(_purge_some(retention)) == MAX_DELETED:
                pass

    kept = (f"`{one.table}` after {one.age / timedelta(days=1):g} d (`{one.column}`)" for one in retentions)
    purge.__doc__ = f"Delete old rows: {', '.join(kept)}."
    return purge


def unless_parked(depth: Callable[[], Awaitable[float]], purge: Purge) -> Purge:
    """The same work, left out while messages are parked or nobody knows.

    A parked message may be put back at any time, and has to meet the inbox row of its event then.
    """

    async def purge_if_none(database: Database) -> None:
        if await depth() == 0:
            await purge(database)

    return purge_if_none


def _purge_some(retention: Retention) -> Callable[[Transaction], Awaitable[int]]:
    """Delete some of the rows, and say how many went. Rows that another replica is deleting are left to it."""
    delete = f"""
        DELETE FROM {retention.table} WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM {retention.table} WHERE {retention.column} < now() - $1::interval
            ORDER BY {retention.column} LIMIT $2 FOR UPDATE SKIP LOCKED
        ))
        RETURNING 1
        """  # noqa: S608  # names from the code, not from a client

    async def purge_some(transaction: Transaction) -> int:
        return len(await transaction.fetch(delete, retention.age, MAX_DELETED))

    return purge_some
