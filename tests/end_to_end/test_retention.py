"""What has served its time is deleted, and what may still be needed is not."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from chassis.store.database import Database, Result, Work
from chassis.store.departures import Departures
from chassis.store.postgres import Postgres
from chassis.store.retention import MAX_DELETED, Retention, purging, unless_parked
from chassis.store.transaction import Transaction
from payment_svc.main import definition
from reservation_svc.models import OVER, Reservation, Status
from tests.end_to_end.databases import database_url, owner_url
from tests.end_to_end.settings import payment_settings

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
FAR = datetime.now(UTC) + timedelta(days=1)
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
    found = CountingDatabase(Postgres(database_url(environment, "point"), pool_size=10), Departures())

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
    """While messages are parked, or nobody knows, the inbox keeps what is old."""

    # given
    async def parked() -> float:
        return depth

    # when
    for _ in range(3):
        await unless_parked(parked, INBOX)(database)
    # then
    assert await _left(database) == OLD + YOUNG


async def test_inbox_does_not_grow_for_ever(database: CountingDatabase) -> None:
    """What is twice as old as it may be goes, whatever is parked."""

    # given
    async def parked() -> float:
        return 1.0

    # when
    await unless_parked(parked, Retention("inbox", "at", MONTH / 2))(database)
    # then
    assert await _left(database) == YOUNG


async def test_inbox_forgets_when_nothing_is_parked(database: CountingDatabase) -> None:
    """Once the parked queue was found empty twice, so that nobody is looking at a message, old rows go."""

    # given
    async def parked() -> float:
        return 0.0

    purge = unless_parked(parked, INBOX)
    # when, then
    await purge(database)
    assert await _left(database) == OLD + YOUNG
    await purge(database)
    assert await _left(database) == YOUNG


async def test_holds_that_are_over_go_and_what_was_bought_stays(environment: Mapping[str, str]) -> None:
    """A hold of which nothing is left goes after a while; one that is paid, or still asked about, does not."""
    # given
    owner = Database(Postgres(owner_url(environment, "reservation"), pool_size=2), Departures())
    database = Database(Postgres(database_url(environment, "reservation"), pool_size=2), Departures())
    rows = [
        Reservation(
            payment_id=uuid4(), user_id="retention", seat_id=1, status=status, ask_at=ask_at, created_at=LONG_AGO
        )
        for status, ask_at in ((Status.EXPIRED, None), (Status.EXPIRED, FAR), (Status.CONFIRMED, None))
    ]
    payment_ids = [row.payment_id for row in rows]
    retention = Retention("reservation", "created_at", timedelta(days=90), OVER)

    async def insert(transaction: Transaction) -> None:
        transaction.add(*rows)

    async def left(transaction: Transaction) -> list[tuple[Status, bool]]:
        found = await transaction.lock(Reservation, "payment_id", payment_ids)
        return sorted((row.status, row.ask_at is None) for row in found)

    async def forget(transaction: Transaction) -> None:
        await transaction.fetch("DELETE FROM reservation WHERE payment_id = ANY($1::uuid[])", payment_ids)

    await database.run(insert)
    # when
    await purging(retention)(database)
    # then
    kept = await database.run(left)
    await owner.run(forget)
    await asyncio.gather(owner.drain(1), database.drain(1))
    assert kept == [(Status.CONFIRMED, True), (Status.EXPIRED, False)]


async def test_finished_checkouts_go_and_pending_ones_stay(environment: Mapping[str, str]) -> None:
    """A checkout goes when it was finished long ago, with its delivery; one that never finished is kept."""
    # given
    owner = Database(Postgres(owner_url(environment, "payment"), pool_size=2), Departures())
    database = Database(Postgres(database_url(environment, "payment"), pool_size=2), Departures())
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
    purge = definition(payment_settings(environment)).purge
    assert purge is not None
    await purge.work(database)
    # then
    kept = await database.run(left)
    await owner.run(forget)
    await asyncio.gather(owner.drain(1), database.drain(1))
    assert kept == {pending}
