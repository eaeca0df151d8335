"""Retention: rows that are old enough are deleted, a bounded number in each transaction.

A function in the database does it, under a role that nobody can log in as. So whoever has a service's password can have
deleted what is old enough, and nothing else.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from zlib import crc32

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
    def function(self) -> str:
        """The name of the function that deletes the rows; it differs for each kind of rows of a table."""
        kind = "" if self.only == "true" else f"_{crc32(self.only.encode()):08x}"
        return f"purge_{self.table}_{self.column}{kind}"

    @property
    def statement(self) -> str:
        """What makes the function. Nobody can have it delete younger rows than `age` says, or more at a time.

        Moments are compared, because of two intervals the shorter one may lead further back: months differ. EXECUTE
        has each call planned for what it asks for, so that an index finds the few rows that are old.
        """
        least_age = f"make_interval(secs => {self.age.total_seconds()})"
        return f"""
            CREATE OR REPLACE FUNCTION "{self.function}"(age interval, at_most integer) RETURNS bigint
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $purge$
            DECLARE gone bigint;
            BEGIN
                EXECUTE $delete$
                    DELETE FROM "{self.table}" WHERE ctid = ANY(ARRAY(
                        SELECT ctid FROM "{self.table}"
                        WHERE "{self.column}" < least(now() - $1, now() - {least_age}) AND ({self.only})
                        ORDER BY "{self.column}" LIMIT least($2, {MAX_DELETED}) FOR UPDATE SKIP LOCKED
                    ))
                $delete$ USING age, at_most;
                GET DIAGNOSTICS gone = ROW_COUNT;
                RETURN gone;
            END
            $purge$
            """  # noqa: S608  # names from the code, not from a client

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
    delete = f'SELECT "{retention.function}"($1, $2) AS gone'

    async def purge_some(transaction: Transaction) -> int:
        (row,) = await transaction.fetch(delete, retention.age, MAX_DELETED)
        return int(row["gone"])

    return purge_some
