"""The service's own database: one transaction at a time, each in a task of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import asyncpg
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from chassis.broker import describe
from chassis.crash import Point, crash_point
from chassis.mapper import Connection
from chassis.relay import Relay
from chassis.signals import Signals
from chassis.transaction import Transaction

Result = TypeVar("Result")
Work = Callable[[Transaction], Awaitable[Result]]

log = structlog.get_logger(__name__)

ATTEMPTS = 4
COMMAND_TIMEOUT = 10
CONNECT_TIMEOUT = 5
CLOSE_TIMEOUT = 2
IDLE_IN_TRANSACTION_MS = 60_000

# Another attempt may succeed: serialization failure, deadlock, too many connections, a statement that was cancelled,
# a session ended for idling, the server going away or coming up (PostgreSQL, appendix A). Class 08 is a broken
# connection.
_TRANSIENT_STATES = {"40001", "40P01", "53300", "57014", "25P03", "57P01", "57P02", "57P03", "57P05"}


class CommitUnknownError(Exception):
    """The connection was lost while committing, so nobody knows whether the transaction counts."""


class RolledBackError(Exception):
    """The transaction could not be committed, because a statement had failed that nobody minded."""


class Database:
    """Runs work in transactions; what they said goes to the relay and to those who wait, once committed."""

    def __init__(self, url: str, relay: Relay, signals: Signals, pool_size: int = 10) -> None:
        self.engine = create_async_engine(
            async_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=COMMAND_TIMEOUT,
            # The last that was used is the next: a closed one is found at once, and the rest may rest.
            pool_use_lifo=True,
            # Transactions begin and end here, on the connection of the driver.
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,
            connect_args={
                "timeout": CONNECT_TIMEOUT,
                "command_timeout": COMMAND_TIMEOUT,
                "server_settings": {"idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS)},
            },
        )
        sa.event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self._relay = relay
        self._signals = signals
        self._running: set[asyncio.Task[object]] = set()

    async def run(self, work: Work[Result]) -> Result:
        """The result of `work`, committed; tried again at once where the failure is transient.

        A caller that is cancelled leaves the transaction to its end: cancelling a driver in the middle of a
        statement would leak or poison its connection. Raises CommitUnknownError, or whatever `work` raises.
        """
        task = asyncio.create_task(self._attempts(work))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    async def drain(self, seconds: float) -> None:
        """Wait for the transactions under way, and close the pool."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        await self.engine.dispose()

    async def _attempts(self, work: Work[Result]) -> Result:
        try:
            return await self._attempt(work)
        except Exception as error:
            if not is_transient(error):
                raise
            log.info("transaction tried again", error=describe(error))
        return await self._further_attempts(work)

    async def _further_attempts(self, work: Work[Result]) -> Result:
        retrying = AsyncRetrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_attempt(ATTEMPTS - 1),
            wait=wait_random_exponential(multiplier=0.05, max=1),
            reraise=True,
        )
        return await retrying(self._attempt, work)

    async def _attempt(self, work: Work[Result]) -> Result:
        confirmed = self._relay.take_confirmed()
        try:
            async with self._begin() as transaction:
                result = await work(transaction)
                messages = await transaction.flush(confirmed)
                crash_point(Point.BEFORE_COMMIT, (message.routing_key for message in messages))
                await _commit(transaction.connection)
        except BaseException:
            self._relay.confirm(confirmed)
            raise
        crash_point(Point.AFTER_COMMIT, (message.routing_key for message in messages))
        self._relay.send(messages)
        self._signals.notify(message.saga_id for message in messages)
        return result

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[Transaction]:
        """A transaction, rolled back when the context ends with an error."""
        async with self.engine.connect() as opened:
            connection = cast("Connection", (await opened.get_raw_connection()).driver_connection)
            transaction = Transaction(opened, connection)
            try:
                await connection.execute("BEGIN")
                yield transaction
            except BaseException as error:
                await _roll_back(connection, error)
                raise
            finally:
                await transaction.close()

    def _finished(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("transaction rolled back", error=repr(error))


def _refuse_closed(pooled: Any, _record: object, _fairy: object) -> None:
    """Hand out no connection that has been closed, and none that is older: whatever closed it may have hit all."""
    if pooled.driver_connection.is_closed():
        raise InvalidatePoolError


async def _roll_back(connection: Connection, error: BaseException) -> None:
    """Undo the transaction; where its connection cannot do that any more, close it.

    To close it is also what makes asyncpg cancel a statement that the server may still be busy with, or wait for a
    lock with, after its time was up here. No connection comes back to the pool within a transaction.
    """
    try:
        if _is_lost(error):
            await connection.close(timeout=CLOSE_TIMEOUT)
        else:
            await connection.execute("ROLLBACK")
    except BaseException as failed:
        connection.terminate()
        if not isinstance(failed, Exception):
            raise


async def _commit(connection: Connection) -> None:
    try:
        answer = await connection.execute("COMMIT")
    except Exception as error:
        if is_transient(error):
            raise CommitUnknownError(str(error)) from error
        raise
    if answer != "COMMIT":
        raise RolledBackError("a statement had failed, so the database rolled back instead of committing")


def _is_lost(error: BaseException) -> bool:
    """Whether the connection may be gone, rather than the server have refused something."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    if isinstance(error, asyncpg.PostgresError):
        return False
    return not isinstance(error, Exception) or is_outage(error)


DATABASE_ERRORS: tuple[type[Exception], ...] = (
    CommitUnknownError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    DBAPIError,
    PoolTimeoutError,
    OSError,
)
"""What a transaction may raise that `is_outage` can tell from defects"""


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed when it is simply done again."""
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return error.connection_invalidated or state in _TRANSIENT_STATES or state.startswith("08")
    if isinstance(error, asyncpg.PostgresError):
        return error.sqlstate in _TRANSIENT_STATES or str(error.sqlstate).startswith("08")
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # a value that the driver cannot encode stays one
    return isinstance(error, (OSError, TimeoutError, PoolTimeoutError))


def is_outage(error: BaseException) -> bool:
    """Whether the database, and not the work, is what failed."""
    return isinstance(error, CommitUnknownError) or is_transient(error)


def async_url(url: str) -> str:
    """A PostgreSQL address, as `psql` takes it, for the asynchronous driver."""
    scheme, separator, rest = url.partition("://")
    if not separator or not scheme.startswith("postgres"):
        raise ValueError(f"expected a postgresql:// address, got {scheme!r}")
    return f"postgresql+asyncpg://{rest}"
