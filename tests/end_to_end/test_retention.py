"""What has served its time is deleted, and what may still be needed is not."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from chassis.store.database import Database, Result, Work
from chassis.store.departures import Departures
from chassis.store.postgres import Postgres
from chassis.store.retention import MAX_DELETED, Retention, purging, unless_parked
from chassis.store.transaction import Transaction
from payment_svc.main import definition
from payment_svc.settings import Settings

OLD, YOUNG = 2 * MAX_DELETED + 1, 7
MONTH = timedelta(days=30)
INBOX = Retention("inbox", "at", MONTH)
_INSERT = sa.text(
    """
    INSERT INTO inbox (step, event_id, saga_id, heard, at)
    SELECT 'test.retention', gen_random_uuid(), gen_random_uuid(), 'test.happened', now() - :age
    FROM generate_series(1, :count)
    """
).bindparams(sa.bindparam("age", type_=sa.Interval))

LONG_AGO = datetime.now(UTC) - timedelta(days=91)
_CHECKOUT = sa.text(
    """
    INSERT INTO checkout (checkout_id, payment_id, user_id, amount, deadline, status, created_at, finished_at)
    VALUES (:id, gen_random_uuid(), 'retention', 1, now(), :status, now() - interval '92 days', :at)
    """
).bindparams(sa.bindparam("at", type_=sa.DateTime(timezone=True)))
_DELIVERY = sa.text(
    "INSERT INTO delivery (checkout_id, payment_id, status, delivered_at) VALUES (:id, gen_random_uuid(), 'SENT', :at)"
).bindparams(sa.bindparam("at", type_=sa.DateTime(timezone=True)))
_LEFT = sa.text(
    """
    SELECT checkout_id FROM checkout WHERE checkout_id = ANY(:ids)
    UNION SELECT checkout_id FROM delivery WHERE checkout_id = ANY(:ids)
    """
)


class CountingDatabase(Database):
    """Counts its transactions."""

    transactions = 0

    async def run(self, work: Work[Result], lock_milliseconds: int | None = None) -> Result:
        """As above."""
        self.transactions += 1
        return await super().run(work, lock_milliseconds)


@pytest.fixture
async def database(environment: Mapping[str, str]) -> AsyncIterator[CountingDatabase]:
    """The database of point_svc, with rows in its inbox that are older than a month, and some that are not."""
    found = CountingDatabase(Postgres(environment["POINT_DATABASE_URL"], pool_size=10), Departures())

    async def insert(transaction: Transaction) -> None:
        for count, age in ((OLD, MONTH + timedelta(seconds=1)), (YOUNG, MONTH - timedelta(minutes=5))):
            await transaction.execute(_INSERT.bindparams(count=count, age=age))

    await found.run(insert)
    found.transactions = 0
    yield found
    await found.run(_forget_all)
    await found.drain(1)


async def _forget_all(transaction: Transaction) -> None:
    await transaction.execute(sa.text("DELETE FROM inbox WHERE step = 'test.retention'"))


async def _left(database: Database) -> int:
    async def count(transaction: Transaction) -> int:
        query = sa.text("SELECT count(*) FROM inbox WHERE step = 'test.retention'")
        return int((await transaction.execute(query)).scalar() or 0)

    return await database.run(count)


async def test_old_rows_go_and_young_ones_stay(database: CountingDatabase) -> None:
    """Rows go when they are older than their age, a bounded number in each transaction."""
    # when
    await purging(INBOX)(database)
    # then
    assert database.transactions == OLD // MAX_DELETED + 1
    assert await _left(database) == YOUNG


@pytest.mark.parametrize("depth", [1.0, float("nan")])
async def test_inbox_outlives_whatever_is_parked(database: CountingDatabase, depth: float) -> None:
    """While messages are parked, or nobody knows, the inbox forgets nothing, however old it is."""

    # given
    async def parked() -> float:
        return depth

    # when
    await unless_parked(parked, purging(INBOX))(database)
    # then
    assert await _left(database) == OLD + YOUNG


async def test_inbox_forgets_when_nothing_is_parked(database: CountingDatabase) -> None:
    """Once the parked queue is empty, old rows go."""

    # given
    async def parked() -> float:
        return 0.0

    # when
    await unless_parked(parked, purging(INBOX))(database)
    # then
    assert await _left(database) == YOUNG


async def test_finished_checkouts_go_and_pending_ones_stay(environment: Mapping[str, str]) -> None:
    """A checkout goes when it was finished long ago, with its delivery; one that never finished is kept."""
    # given
    database = Database(Postgres(environment["PAYMENT_DATABASE_URL"], pool_size=10), Departures())
    finished, pending = uuid4(), uuid4()

    async def insert(transaction: Transaction) -> None:
        for checkout_id, status, at in ((finished, "COMPLETED", LONG_AGO), (pending, "PENDING", None)):
            await transaction.execute(_CHECKOUT.bindparams(id=checkout_id, status=status, at=at))
        await transaction.execute(_DELIVERY.bindparams(id=finished, at=LONG_AGO))

    async def left(transaction: Transaction) -> set[UUID]:
        return set((await transaction.execute(_LEFT.bindparams(ids=[finished, pending]))).scalars())

    async def forget(transaction: Transaction) -> None:
        await transaction.execute(sa.text("DELETE FROM checkout WHERE checkout_id = :id").bindparams(id=pending))

    await database.run(insert)
    # when
    for job in definition(_settings(environment)).jobs:
        await job.work(database)
    # then
    kept = await database.run(left)
    await database.run(forget)
    await database.drain(1)
    assert kept == {pending}


def _settings(environment: Mapping[str, str]) -> Settings:
    return Settings(
        port=1,
        database_url=SecretStr(environment["PAYMENT_DATABASE_URL"]),
        rabbitmq_url=SecretStr(environment["RABBITMQ_URL"]),
        token_secret=SecretStr(environment["TOKEN_SECRET"]),
        platform_url=environment["PLATFORM_URL"],
        platform_secret=SecretStr("whsec_" + 32 * "A"),
    )
