"""What a transaction does to rows is what PostgreSQL has afterwards, all of it or nothing."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import sqlalchemy as sa

from chassis.database import Database, RolledBackError, is_outage
from chassis.mapper import RowGoneError
from chassis.publisher import Publisher
from chassis.relay import Relay
from chassis.signals import Signals
from chassis.transaction import Transaction
from point_svc.models import EntryType, PointHistory, Wallet
from tests.end_to_end.eventually import eventually

USER = "unit-of-work"
_DEADLOCK = "DO $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = 'deadlock_detected'; END $$"
_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture
async def database(environment: Mapping[str, str]) -> AsyncIterator[Database]:
    """The database of point_svc, with one wallet that holds 100."""
    relay = Relay(Publisher("point", environment["RABBITMQ_URL"]))
    found = Database(environment["POINT_DATABASE_URL"], relay, Signals(), pool_size=3)

    async def insert(transaction: Transaction) -> None:
        transaction.rows.add([Wallet(user_id=USER, balance=100)])

    await found.run(insert)
    yield found
    await found.run(_forget)
    await found.drain(1)


async def _forget(transaction: Transaction) -> None:
    for table in ("point_history", "wallet"):
        await transaction.connection.execute(f"DELETE FROM {table} WHERE user_id = $1", USER)  # noqa: S608


async def _wallet(transaction: Transaction) -> Wallet:
    (wallet,) = await transaction.rows.lock(Wallet, "user_id", [USER])
    return wallet


async def _stored(database: Database, query: str) -> Any:
    async def work(transaction: Transaction) -> Any:
        return await transaction.connection.fetchval(query, USER)

    return await database.run(work)


async def test_row_comes_back_as_it_was_stored(database: Database) -> None:
    """Enumerations, moments and numbers are what they were, in a new row and in one that changed."""
    # given
    checkout_id = uuid4()

    async def spend(transaction: Transaction) -> PointHistory:
        entry = (await _wallet(transaction)).use(30, checkout_id)
        transaction.rows.add([entry])
        return entry

    async def find(transaction: Transaction) -> tuple[Wallet, list[PointHistory]]:
        return await _wallet(transaction), await transaction.rows.lock(PointHistory, "checkout_id", [checkout_id])

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
        transaction.rows.add([(await _wallet(transaction)).use(1, checkout_id)])

    async def look(transaction: Transaction) -> None:
        (by_key,) = await transaction.rows.lock(PointHistory, "checkout_id", [checkout_id])
        (by_user,) = await transaction.rows.lock(PointHistory, "user_id", [USER])
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
            transaction.rows.replace([Wallet(user_id=USER, balance=balance)])

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
        transaction.rows.add([entry])

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


async def test_session_and_rows_share_the_transaction(database: Database) -> None:
    """A query through the session sees what is locked, and its rows are committed with the others."""

    async def work(transaction: Transaction) -> None:
        wallet = await _wallet(transaction)
        transaction.session.add(wallet.charge(10))
        owner = sa.text("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'RowShareLock'")
        assert await transaction.session.scalar(owner)

    # when
    await database.run(work)
    # then
    assert await _stored(database, "SELECT balance FROM wallet WHERE user_id = $1") == 110
    assert await _stored(database, "SELECT count(*) FROM point_history WHERE user_id = $1") == 1


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
        pids.append(await transaction.connection.fetchval("SELECT pg_backend_pid()"))
        if len(pids) == 1:
            await transaction.session.execute(sa.text(_DEADLOCK))
        if len(pids) == 2:
            await transaction.connection.execute(_DEADLOCK)

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
    monkeypatch.setattr("chassis.database.COMMAND_TIMEOUT", 0.3)
    relay = Relay(Publisher("point", environment["RABBITMQ_URL"]))
    impatient = Database(environment["POINT_DATABASE_URL"], relay, Signals(), pool_size=1)

    async def hold(transaction: Transaction) -> None:
        await _wallet(transaction)
        # when
        with pytest.raises(TimeoutError):
            await impatient.run(_wallet)
        # then
        await eventually(lambda: transaction.connection.fetchval(_WAITING), lambda count: count == 0)

    await database.run(hold)
    assert (await impatient.run(_wallet)).balance == 100
    await impatient.drain(1)


async def test_failure_that_nobody_minds_is_no_commit(database: Database) -> None:
    """PostgreSQL answers a COMMIT with a rollback when a statement has failed, and says so in one word only."""

    async def work(transaction: Transaction) -> None:
        with contextlib.suppress(asyncpg.PostgresError):
            await transaction.connection.execute("SELECT 1 / 0")

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
