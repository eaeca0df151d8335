"""What a transaction does to rows is what PostgreSQL has afterwards, all of it or nothing."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import sqlalchemy as sa
from sqlmodel import select

from chassis.errors import NotLockedError, RolledBackError, RowGoneError
from chassis.store.database import Database
from chassis.store.departures import Departures
from chassis.store.failures import is_outage
from chassis.store.postgres import Postgres
from chassis.store.transaction import Transaction
from point_svc.models import EntryType, PointHistory, Wallet
from tests.end_to_end.eventually import eventually

USER = "unit-of-work"
_DEADLOCK = "DO $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = 'deadlock_detected'; END $$"
_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture
async def database(environment: Mapping[str, str]) -> AsyncIterator[Database]:
    """The database of point_svc, with one wallet that holds 100."""
    found = Database(Postgres(environment["POINT_DATABASE_URL"], pool_size=3), Departures())

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


async def test_row_comes_back_as_it_was_stored(database: Database) -> None:
    """Enumerations, moments and numbers are what they were, in a new row and in one that changed."""
    # given
    checkout_id = uuid4()

    async def spend(transaction: Transaction) -> PointHistory:
        entry = (await _wallet(transaction)).use(30, checkout_id)
        transaction.add(entry)
        return entry

    async def find(transaction: Transaction) -> tuple[Wallet, list[PointHistory]]:
        return await _wallet(transaction), await transaction.lock(PointHistory, "checkout_id", [checkout_id])

    # when
    stored = await database.run(spend)
    wallet, (found,) = await database.run(find)
    # then
    assert wallet.balance == 70
    assert found is not stored
    assert found.model_dump() == stored.model_dump()
    assert found.type is EntryType.USE


async def test_row_is_one_object_in_its_transaction(database: Database) -> None:
    """However often and by whatever column it is asked for; what was changed meanwhile is kept."""
    # given
    checkout_id = uuid4()

    async def work(transaction: Transaction) -> None:
        first = await _wallet(transaction)
        first.balance = 55
        assert await _wallet(transaction) is first

    async def store_entry(transaction: Transaction) -> None:
        transaction.add((await _wallet(transaction)).use(1, checkout_id))

    async def look(transaction: Transaction) -> None:
        (by_key,) = await transaction.lock(PointHistory, "checkout_id", [checkout_id])
        (by_user,) = await transaction.lock(PointHistory, "user_id", [USER])
        assert by_key is by_user

    # when
    await database.run(work)
    await database.run(store_entry)
    await database.run(look)
    # then
    assert await _stored(database, "SELECT balance FROM wallet WHERE user_id = $1") == 54


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


async def test_row_takes_the_place_of_another(database: Database) -> None:
    """`replace` stores a row whether or not its primary key is there."""
    for balance in (5, 6):

        async def work(transaction: Transaction, balance: int = balance) -> None:
            transaction.replace(Wallet(user_id=USER, balance=balance))

        await database.run(work)
    # then
    assert await _stored(database, "SELECT balance FROM wallet WHERE user_id = $1") == 6


async def test_what_the_database_refuses_leaves_nothing(database: Database) -> None:
    """Text that is too long is refused and not cut off, and what went with it is rolled back."""
    # given
    entry_id = UUID(int=1)

    async def work(transaction: Transaction) -> None:
        (await _wallet(transaction)).balance = 1
        entry = PointHistory(entry_id=entry_id, user_id=USER * 10, type=EntryType.CHARGE, amount=1, balance_after=1)
        transaction.add(entry)

    # when
    with pytest.raises(asyncpg.StringDataRightTruncationError):
        await database.run(work)
    # then
    assert await _stored(database, "SELECT balance FROM wallet WHERE user_id = $1") == 100


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


async def test_row_that_was_only_read_must_not_change(database: Database) -> None:
    """Nobody holds it, so somebody else may change it at the same time: that is said, not done."""

    async def work(transaction: Transaction) -> None:
        (wallet,) = await transaction.select(select(Wallet).where(Wallet.user_id == USER))
        wallet.balance = 1

    # when
    with pytest.raises(NotLockedError, match=f"Wallet {USER}"):
        await database.run(work)
    # then
    assert await _stored(database, "SELECT balance FROM wallet WHERE user_id = $1") == 100


async def test_row_that_is_not_there_is_missed(database: Database) -> None:
    """A row under another primary key is none of those that were locked."""

    async def work(transaction: Transaction) -> None:
        (await _wallet(transaction)).user_id = "somebody-else"

    # when, then
    with pytest.raises(RowGoneError):
        await database.run(work)


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
    impatient = Database(Postgres(environment["POINT_DATABASE_URL"], pool_size=1), Departures())

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
    other = await asyncpg.connect(environment["POINT_DATABASE_URL"])
    await other.execute("SELECT pg_terminate_backend($1, 5000)", ended)
    await other.close()
    # when
    found = await _stored(database, "SELECT pg_backend_pid() WHERE $1 <> ''")
    # then
    assert found != ended
