"""Failures: what an error of the database means for the work that met it.

Nobody can list what an environment may do. So the list is of what counts against the work, and everything else is the
environment's doing until something else is shown (`chassis.run.judge`).
"""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chassis.errors import CommitUnknownError

DATABASE_ERRORS: tuple[type[Exception], ...] = (
    CommitUnknownError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    DBAPIError,
    PoolTimeoutError,
    OSError,
)
"""What a transaction may raise that is neither a defect nor an answer"""

# Classes of PostgreSQL's error codes (appendix A): data exception, integrity constraint violation.
_OF_THE_DATA = ("22", "23")
_LOST = ("08", "57P")
_READ_ONLY = "25006"
# Serialization failure, deadlock, a session ended for idling in its transaction.
_AGAIN = {"40001", "40P01", "25P03"}
# A lock that somebody else kept, a statement whose time was up.
_WAITED = {"55P03", "57014"}


def blames_work(error: BaseException) -> bool:
    """Whether the error counts against the work: its code raised it, or the database says it of the data."""
    if state := _state(error):
        return state.startswith(_OF_THE_DATA)
    if isinstance(error, asyncpg.InterfaceError):
        return isinstance(error, ValueError)  # a value that the driver cannot encode
    return not isinstance(error, DATABASE_ERRORS)


def is_outage(error: BaseException) -> bool:
    """Whether the environment has failed, as far as the error alone can tell."""
    return not blames_work(error)


def is_contention(error: BaseException) -> bool:
    """Whether the work has waited too long, for a lock or for the server, and might again."""
    return _state(error) in _WAITED or (isinstance(error, TimeoutError) and not isinstance(error, PoolTimeoutError))


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed at once when it is done again, on another connection where its own is lost."""
    if is_contention(error) or isinstance(error, (CommitUnknownError, PoolTimeoutError)):
        return False
    return (
        _state(error) in _AGAIN
        or is_connection_lost(error)
        # The table has been altered since the statement was prepared, which the driver now knows.
        or isinstance(error, asyncpg.InvalidCachedStatementError)
    )


def is_data_error(error: BaseException) -> bool:
    """Whether a value can never be stored: it is too long, out of range or of another kind (class 22)."""
    return (_state(error) or "").startswith("22")


def is_connection_lost(error: BaseException) -> bool:
    """Whether the connection is of no use any more: gone, out of step, or read-only since a failover."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if state := _state(error):
        return state.startswith(_LOST) or state == _READ_ONLY
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)
    return not isinstance(error, Exception) or isinstance(error, (OSError, asyncpg.InternalClientError))


def _state(error: BaseException) -> str | None:
    """The code that the server has given, if the error comes from it."""
    state = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)
    return str(state) if state else None
