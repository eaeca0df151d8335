"""What a transaction is on a real server: statements in SQL, connections that end, locks that somebody else has.

What holds of every store is in `test_store.py`.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlmodel import select

from chassis.errors import RolledBackError
from chassis.store.database import Database
from chassis.store.departures import Departures
from chassis.store.failures import is_outage
from chassis.store.postgres import Postgres
from chassis.store.transaction import Transaction
from point_svc.models import Wallet
from tests.end_to_end.databases import owner_url
from tests.end_to_end.eventually import eventually

USER = "unit-of-work"
_DEADLOCK = "DO $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = 'deadlock_detected'; END $$"
_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture
async def database(environment: Mapping[str, str]) -> AsyncIterator[Database]:
    """The database of point_svc, with one wallet that holds 100."""
    found = Database(Postgres(owner_url(environment, "point"), pool_size=3), Departures())

    async def insert(transaction: Transaction) -> None:
        transaction.add(Wallet(user_id=USER, balance=100))

    await found.run(insert)
    yield found
    await found.run(_forget)
    await found.drain(1)


async def _forget(transaction: Transaction) -> None:
    for table in ("point_history", "wallet"):
        await transaction.fetch(f"DELETE FROM {table} WHERE user_id = $1", USER)  # noqa: S608


async def _wallet(transaction: Transaction) -> Wallet:
    (wallet,) = await transaction.lock(Wallet, "user_id", [USER])
    return wallet


async def _charge(transaction: Transaction) -> None:
    transaction.add((await _wallet(transaction)).charge(10))


async def _stored(database: Database, query: str) -> Any:
    async def work(transaction: Transaction) -> Any:
        return (await transaction.fetch(query, USER))[0][0]

    return await database.run(work)


async def test_unchanged_row_is_not_written(database: Database) -> None:
    """A row that has been put back to what it was is no change."""
    # given
    version = "SELECT xmin::text FROM wallet WHERE user_id = $1"
    before = await _stored(database, version)

    async def work(transaction: Transaction) -> None:
        wallet = await _wallet(transaction)
        wallet.balance = 1
        wallet.balance = 100

    # when
    await database.run(work)
    # then
    assert await _stored(database, version) == before


async def test_value_that_cannot_be_sent_is_no_outage(database: Database) -> None:
    """Else whoever consumes would wait for a better database for ever."""

    async def work(transaction: Transaction) -> None:
        (await _wallet(transaction)).balance = 2**63

    # when
    with pytest.raises(asyncpg.DataError, match="out of int64 range") as raised:
        await database.run(work)
    # then
    assert not is_outage(raised.value)


async def test_row_is_one_object_in_whatever_way_it_is_asked_for(database: Database) -> None:
    """Read, selected or locked: a transaction has one identity map."""

    async def work(transaction: Transaction) -> None:
        found = await transaction.find_one(Wallet, USER)
        (selected,) = await transaction.select(select(Wallet).where(Wallet.user_id == USER))
        locked = await _wallet(transaction)
        assert found is selected
        assert selected is locked
        transaction.add(locked.charge(10))

    # when
    await database.run(work)
    # then
    assert await _stored(database, "SELECT balance FROM wallet WHERE user_id = $1") == 110
    assert await _stored(database, "SELECT count(*) FROM point_history WHERE user_id = $1") == 1


async def test_lock_shows_what_is_stored_now(database: Database) -> None:
    """A row that was read before is as old as the read; the lock renews it, so that no change is overwritten."""

    async def work(transaction: Transaction) -> None:
        found = await transaction.find_one(Wallet, USER)
        await database.run(_charge)
        locked = await _wallet(transaction)
        assert locked is found
        transaction.add(locked.charge(10))

    # when
    await database.run(work)
    # then
    assert await _stored(database, "SELECT balance FROM wallet WHERE user_id = $1") == 120


async def test_transaction_that_may_be_tried_again_keeps_its_connection(database: Database) -> None:
    """A deadlock, whoever reports it, says nothing against the connection."""
    # given
    pids: list[int] = []

    async def work(transaction: Transaction) -> None:
        pids.append((await transaction.fetch("SELECT pg_backend_pid()"))[0][0])
        if len(pids) == 1:
            await transaction.execute(sa.text(_DEADLOCK))
        if len(pids) == 2:
            await transaction.fetch(_DEADLOCK)

    # when
    await database.run(work)
    # then
    assert len(pids) == 3
    assert len(set(pids)) == 1


async def test_statement_without_an_answer_in_time_is_cancelled(
    database: Database, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not go on waiting for a lock on the server, with all the locks that it has."""
    # given
    monkeypatch.setattr("chassis.store.postgres.COMMAND_TIMEOUT", 0.3)
    impatient = Database(Postgres(owner_url(environment, "point"), pool_size=1), Departures())

    async def hold(transaction: Transaction) -> None:
        await _wallet(transaction)
        # when
        with pytest.raises(TimeoutError):
            await impatient.run(_wallet)
        # then
        await eventually(lambda: transaction.fetch(_WAITING), lambda found: found[0]["count"] == 0)

    await database.run(hold)
    assert (await impatient.run(_wallet)).balance == 100
    await impatient.drain(1)


async def test_failure_that_nobody_minds_is_no_commit(database: Database) -> None:
    """PostgreSQL answers a COMMIT with a rollback when a statement has failed, and says so in one word only."""

    async def work(transaction: Transaction) -> None:
        with contextlib.suppress(asyncpg.PostgresError):
            await transaction.fetch("SELECT 1 / 0")

    # when, then
    with pytest.raises(RolledBackError):
        await database.run(work)


async def test_connections_that_the_server_has_ended_are_replaced(
    database: Database, environment: Mapping[str, str]
) -> None:
    """All of the pool, before the next transaction gets one."""
    # given
    ended = await _stored(database, "SELECT pg_backend_pid() WHERE $1 <> ''")
    other = await asyncpg.connect(owner_url(environment, "point"))
    await other.execute("SELECT pg_terminate_backend($1, 5000)", ended)
    await other.close()
    # when
    found = await _stored(database, "SELECT pg_backend_pid() WHERE $1 <> ''")
    # then
    assert found != ended
