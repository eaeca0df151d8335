"""PostgreSQL: sessions over a pool of asyncpg's connections.

Rows, inbox and outbox go straight to the driver, many with one statement; SQLAlchemy makes the connections, and runs
the statements of its Core that services write. Its ORM session is not used (decision 20).
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlmodel import SQLModel

from chassis.choreography.envelope import Envelope
from chassis.errors import CommitUnknownError, RolledBackError
from chassis.store import inbox, outbox, said
from chassis.store.failures import is_connection_lost, is_contention
from chassis.store.mapper import Connection, mapper_of
from chassis.store.outbox import Outgoing
from chassis.store.servers import Servers
from chassis.store.session import Row, Session

COMMAND_TIMEOUT = 10
CONNECT_TIMEOUT = 5
CLOSE_TIMEOUT = 2
SERVER_SETTINGS = {
    # A statement that waits for a lock, or works, for longer is ended by the server, and its connection stays of use.
    "lock_timeout": "3s",
    "statement_timeout": "8s",
    "idle_in_transaction_session_timeout": "60s",
}


class Postgres:
    """A database of PostgreSQL, with a pool of connections."""

    def __init__(self, url: str, pool_size: int) -> None:
        self._engine = engine(
            url,
            {"timeout": CONNECT_TIMEOUT, "command_timeout": COMMAND_TIMEOUT, "server_settings": SERVER_SETTINGS},
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=COMMAND_TIMEOUT,
            # The last that was used is the next: a closed one is found at once, and the rest may rest.
            pool_use_lifo=True,
            # Transactions begin and end here, on the connection of the driver.
            isolation_level="AUTOCOMMIT",
            # An error says which statement failed, and not about whom.
            hide_parameters=True,
            pool_reset_on_return=None,
        )
        sa.event.listen(self._engine.sync_engine, "checkout", _refuse_closed)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A new session, rolled back when its context ends with an error."""
        async with self._engine.connect() as opened:
            connection = cast("Connection", (await opened.get_raw_connection()).driver_connection)
            try:
                await connection.execute("BEGIN")
                yield PostgresSession(opened, connection)
            except BaseException as error:
                await _roll_back(connection, error)
                raise

    async def close(self) -> None:
        """Close the connections that are not in use."""
        await self._engine.dispose()


class PostgresSession:
    """An open transaction, over one connection."""

    def __init__(self, opened: AsyncConnection, connection: Connection) -> None:
        self._opened = opened
        self._connection = connection

    async def select(self, model: type[Row], column: str, keys: Collection[Any], *, lock: bool) -> list[Row]:
        """The rows whose `column` is one of `keys`, in the order of their primary key, locked if asked to."""
        return await mapper_of(model).select(self._connection, column, keys, lock=lock)

    async def insert(self, model: type[SQLModel], rows: Sequence[SQLModel]) -> None:
        """Insert rows; raises asyncpg.UniqueViolationError."""
        await mapper_of(model).insert(self._connection, rows)

    async def update(self, model: type[SQLModel], rows: Sequence[SQLModel]) -> None:
        """Write the values of rows; raises RowGoneError when one is not there under its primary key."""
        await mapper_of(model).update(self._connection, rows)

    async def replace(self, model: type[SQLModel], rows: Sequence[SQLModel]) -> None:
        """Insert rows, each in the place of the one that has its primary key already."""
        await mapper_of(model).replace(self._connection, rows)

    async def accept(self, step: str, arrived: Sequence[Envelope]) -> set[UUID]:
        """Note in the inbox that `step` handles these events; returns the ids that it had not handled before."""
        return await inbox.accept(self._connection, step, arrived)

    async def handled(self, step: str, event_ids: Collection[UUID]) -> set[UUID]:
        """Those of the events that `step` has handled."""
        return await inbox.handled(self._connection, step, event_ids)

    async def put(self, messages: Sequence[Outgoing], confirmed: Collection[UUID]) -> None:
        """Store messages in the outbox, leased to this process, and take confirmed ones out of it."""
        await outbox.put(self._connection, messages, confirmed)

    async def lease(self, limit: int) -> list[Outgoing]:
        """Take over up to `limit` messages of the outbox whose lease has run out."""
        return await outbox.lease(self._connection, limit)

    async def keep(self, event_ids: Collection[UUID]) -> None:
        """Lease messages to this process for a while longer, as far as the outbox still holds them."""
        await outbox.keep(self._connection, event_ids)

    async def repeat(self, limit: int) -> None:
        """Put up to `limit` confirmed messages that are asked for back to the outbox, free to be taken over."""
        await said.repeat(self._connection, limit, outbox.LEASE)

    async def forget(self, confirmed: Collection[UUID]) -> None:
        """Take confirmed messages out of the outbox."""
        await outbox.forget(self._connection, confirmed)

    async def execute(self, statement: sa.Executable) -> sa.CursorResult[Any]:
        """The result of a statement of SQLAlchemy Core; raises sqlalchemy.exc.DBAPIError."""
        return await self._opened.execute(statement)

    async def fetch(self, sql: str, *arguments: Any) -> Sequence[Any]:
        """The records of a statement in PostgreSQL's own words; raises asyncpg.PostgresError."""
        return await self._connection.fetch(sql, *arguments)

    async def hurry(self, lock_milliseconds: int) -> None:
        """From now on in this transaction, wait no longer than this for a lock."""
        await self._connection.execute(f"SET LOCAL lock_timeout = {lock_milliseconds}")

    async def probe(self) -> None:
        """Write a row to the inbox and one to the outbox, and take both back."""
        await inbox.probe(self._connection)
        await outbox.probe(self._connection)

    async def commit(self) -> None:
        """Commit; raises CommitUnknownError when the connection is lost meanwhile, or RolledBackError."""
        try:
            answer = await self._connection.execute("COMMIT")
        except Exception as error:
            if is_connection_lost(error) or is_contention(error):
                raise CommitUnknownError(str(error)) from error
            raise
        if answer != "COMMIT":
            raise RolledBackError("the server rolled back although COMMIT was sent: an earlier error was swallowed")


def engine(url: str, connecting: Mapping[str, Any] | None = None, **options: Any) -> AsyncEngine:
    """An engine of SQLAlchemy for an address of PostgreSQL as `psql` takes it; `connecting` goes to the driver.

    The driver reads the address, with all that may stand in it: `passfile`, `sslmode`, `sslrootcert`. Of several hosts
    the primary is used (`chassis.store.servers`). Raises ValueError for another address.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or not scheme.startswith("postgres"):
        raise ValueError(f"expected a postgresql:// address, got {scheme!r}")
    connect = partial(Servers(url).connect, **({"timeout": CONNECT_TIMEOUT} | dict(connecting or {})))
    return create_async_engine("postgresql+asyncpg://", async_creator=connect, **options)


def _refuse_closed(pooled: Any, _record: object, _fairy: object) -> None:
    """Hand out no connection that has been closed, and none that is older: whatever closed it may have hit all."""
    if pooled.driver_connection.is_closed():
        raise InvalidatePoolError


async def _roll_back(connection: Connection, error: BaseException) -> None:
    """Undo the transaction; where its connection cannot do that any more, close it.

    Closing also makes asyncpg cancel a statement that the server may still be busy with, or wait for a lock with, after
    its time was up here. No connection comes back to the pool within a transaction.
    """
    try:
        if is_connection_lost(error) or isinstance(error, CommitUnknownError):
            await connection.close(timeout=CLOSE_TIMEOUT)
        else:
            await connection.execute("ROLLBACK")
    except BaseException as failed:
        connection.terminate()
        if not isinstance(failed, Exception):
            raise
