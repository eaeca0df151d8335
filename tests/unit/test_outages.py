"""What the environment does is a 503, whoever says so; what the data or the code do is a defect."""

from http import HTTPStatus
from typing import Any

import asyncpg
import httpx2
import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chassis.errors import CommitUnknownError, RowGoneError
from chassis.web.app import create_app
from point_svc.main import definition
from point_svc.settings import Settings
from stack.signing import SigningKey, key_set
from stack.tokens import token

OUTAGES = [
    CommitUnknownError("nobody knows"),
    asyncpg.ConnectionDoesNotExistError("closed in the middle of an operation"),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.InterfaceError("connection is closed"),
    DBAPIError("SELECT", {}, asyncpg.InterfaceError("connection is closed"), connection_invalidated=True),
    PoolTimeoutError("QueuePool limit"),
    ConnectionRefusedError("refused"),
    TimeoutError(),
    asyncpg.DiskFullError("no space left on device"),
    asyncpg.OutOfMemoryError("out of memory"),
    asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
    asyncpg.PostgresIOError("could not read block"),
    asyncpg.InvalidPasswordError("password authentication failed"),
    asyncpg.InvalidCatalogNameError("database does not exist"),
    asyncpg.DatabaseDroppedError("terminating connection because the database was dropped"),
    asyncpg.LockNotAvailableError("canceling statement due to lock timeout"),
    asyncpg.QueryCanceledError("canceling statement due to statement timeout"),
    asyncpg.InternalClientError("got result for unknown protocol state 3"),
    asyncpg.UndefinedTableError("not there yet, or not any more"),
]
DEFECTS = [
    asyncpg.UniqueViolationError("duplicate key"),
    asyncpg.StringDataRightTruncationError("value too long"),
    asyncpg.DataError("a value that the driver cannot encode"),
    RowGoneError("nowhere"),
    ValueError("a defect"),
]


class FailingDatabase:
    """Raises in every transaction."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def run(self, _: Any) -> None:
        """Raise."""
        raise self._error


class FailingRuntime:
    """A runtime that has begun, with such a database."""

    waits_for = None

    def __init__(self, error: Exception) -> None:
        self.database = self.requests = FailingDatabase(error)


async def ask(error: Exception) -> httpx2.Response:
    """The answer when the database raises `error`."""
    key = SigningKey.new()
    settings = Settings(
        port=8001,
        database_url="postgresql://nobody@127.0.0.1:1/none",
        rabbitmq_url="amqp://nobody@127.0.0.1:1/",
        token_keys=key_set([key.public]),
    )
    app = create_app(definition(settings))
    app.state.runtime = FailingRuntime(error)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://point") as http:
        return await http.get("/points", headers={"Authorization": f"Bearer {token('7', key.text)}"})


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
async def test_outage_is_unavailable(error: Exception) -> None:
    """The client is told to come again."""
    answer = await ask(error)

    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("error", DEFECTS, ids=lambda error: type(error).__name__)
async def test_defect_is_no_outage(error: Exception) -> None:
    """To come again would not help."""
    assert (await ask(error)).status_code == HTTPStatus.INTERNAL_SERVER_ERROR
