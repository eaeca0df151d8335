"""Failures: what an error of the database means for the work that met it."""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chassis.errors import CommitUnknownError

# Another attempt may succeed: serialization failure, deadlock, too many connections, a statement that was cancelled,
# a session ended for idling, the server going away or coming up (PostgreSQL, appendix A). Class 08 is a broken
# connection.
_TRANSIENT_STATES = {"40001", "40P01", "53300", "57014", "25P03", "57P01", "57P02", "57P03", "57P05"}

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


def is_data_error(error: BaseException) -> bool:
    """Whether a value can never be stored: it is too long, out of range or of another kind (class 22)."""
    state = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)
    return str(state or "").startswith("22")


def is_connection_lost(error: BaseException) -> bool:
    """Whether the connection may be gone, rather than the server have refused something."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    if isinstance(error, asyncpg.PostgresError):
        return False
    return not isinstance(error, Exception) or is_outage(error)
