"""PostgreSQL at several addresses: the server that can be written to is used, and none that has ceased to be one."""

import socket
from collections.abc import AsyncIterator

import pytest

from chassis.store import Database, Transaction, revision
from chassis.store.committing import Committing
from chassis.store.departures import Departures
from chassis.store.postgres import Postgres
from chassis.store.privacy import Personal, records
from chassis.store.servers import connect
from tests.contract.test_migrations import migrated_database, scripts_of

READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"


def with_dead_server(url: str) -> str:
    """The address with a server before its own that nobody runs."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    login, sign, rest = url.rpartition("@")
    return f"{login}{sign}127.0.0.1:{port},{rest}" if sign else url.replace("://", f"://127.0.0.1:{port},")


@pytest.fixture
async def url(postgres_admin_url: str) -> str:
    """A database of point_svc."""
    return await migrated_database(postgres_admin_url, "point_svc")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """The database, at an address whose first server is dead."""
    found = Database(Postgres(with_dead_server(url), pool_size=1), Departures())
    yield found
    await found.drain(1)


async def _server_process(transaction: Transaction) -> int:
    return int((await transaction.fetch("SELECT pg_backend_pid() AS pid"))[0]["pid"])


async def _become_read_only(transaction: Transaction) -> None:
    await transaction.fetch(READ_ONLY)


async def test_dead_server_is_passed_over(url: str) -> None:
    """By a single connection too, such as that of a migration."""
    connection = await connect(with_dead_server(url), 5)
    assert await connection.fetchval("SELECT NOT pg_is_in_recovery()")
    await connection.close()
    assert await revision.current(with_dead_server(url)) == revision.head(scripts_of("point_svc"))


async def test_connection_that_has_become_read_only_is_not_used_again(database: Database) -> None:
    """As after a failover: the same transaction succeeds on a new one, and nobody hears of it."""
    # given
    before = await database.run(_server_process)
    await database.run(_become_read_only)
    assert await database.run(_server_process) == before, "who only reads does not notice"
    # when
    trouble = await database.trouble()
    # then
    assert trouble is None
    assert await database.run(_server_process) != before


async def test_database_that_answers_and_does_not_commit_is_in_trouble(url: str) -> None:
    """A standby answers too, and a server whose disk is full."""
    # given
    database = Database(Postgres(f"{url}?default_transaction_read_only=on", pool_size=1), Departures())
    # when
    answered, trouble = await database.run(_server_process), await Committing(database).trouble()
    # then
    assert answered
    assert "read-only transaction" in str(trouble)
    await database.drain(1)


async def test_witness_leaves_nothing_behind(url: str) -> None:
    """What it writes was never said: nobody may say it again, compare it, or look in it for a user."""
    # given
    database = Database(Postgres(url, pool_size=1), Departures())
    # when
    assert await database.trouble() is None
    # then
    assert await database.run(_rows_of_the_chassis) == 0
    await database.drain(1)


async def test_empty_body_names_no_user(url: str) -> None:
    """Such as the witness left for a while, before it cleaned up after itself."""
    # given
    connection = await connect(url, 5)
    await connection.execute(
        "INSERT INTO said (event_id, saga_id, routing_key, mandatory, headers, body, at) "
        "VALUES (gen_random_uuid(), gen_random_uuid(), '', false, '{}', '', now())"
    )
    await connection.close()
    # when
    async with records(url, Personal()) as known:
        await known.erase("7", "erased-1")
        found = await known.export("7")
    # then
    assert found == {}


async def _rows_of_the_chassis(transaction: Transaction) -> int:
    counted = [await transaction.fetch(f"SELECT count(*) FROM {table}") for table in ("inbox", "outbox", "said")]  # noqa: S608  # names from above
    return sum(int(found[0]["count"]) for found in counted)
