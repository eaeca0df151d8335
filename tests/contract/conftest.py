"""A PostgreSQL of its own for the tests of databases, started when the first of them needs it."""

import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

import asyncpg
import pytest
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from chassis.store import Database
from chassis.store.departures import Departures
from chassis.store.postgres import Postgres
from stack.credentials import Credentials
from stack.directory import Directory
from stack.program import start, stop
from stack.progress import Progress
from stack.run.probe import answers
from stack.servers.binaries import ensure_installed
from stack.servers.postgres import Server

if TYPE_CHECKING:
    from stack.ports import Ports

START_SECONDS = 60


def a_port() -> "Ports":
    """A free port for the server; a whole stack would claim ten."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return cast("Ports", {"postgres": probe.getsockname()[1]})


@pytest.fixture(scope="session")
async def postgres_admin_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a server that is gone when the tests are over; on it, whoever comes may create databases."""
    directory = Directory(tmp_path_factory.mktemp("postgres"))
    directory.create()
    ensure_installed(directory, Progress())
    program = Server(directory, a_port(), Credentials.of(directory), services=()).program()
    await program.before()
    process = start(program, directory.log(program.name))
    try:
        starting = AsyncRetrying(
            retry=retry_if_result(lambda ready: not ready), stop=stop_after_delay(START_SECONDS), wait=wait_fixed(0.1)
        )
        await starting(answers, program.probe)
        yield program.probe
    finally:
        await stop(process, program.stop_signal, program.patience)


@pytest.fixture
async def seats_database(seats_url: str) -> AsyncIterator[Database]:
    """The database at `seats_url`, of whoever asks, as a process of seat_svc has it."""
    found = Database(Postgres(seats_url, pool_size=4), Departures())
    yield found
    await found.drain(1)


@pytest.fixture
async def somebody(seats_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Somebody else in the database."""
    connection = await asyncpg.connect(seats_url)
    yield connection
    connection.terminate()
