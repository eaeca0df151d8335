"""Which holds and checkouts a replica takes on when their time is up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from chassis import new_id
from chassis.store import Database, Transaction
from chassis.store.departures import Departures
from chassis.store.postgres import Postgres
from contracts.refund import Asker
from payment_svc import clock
from payment_svc.clock import MAX_CHASED
from payment_svc.models import Checkout, Refund
from reservation_svc import expiry
from reservation_svc.expiry import MAX_EXPIRED, expire_due
from reservation_svc.models import Reservation, Status
from tests.contract.test_migrations import migrated_database

HOLDS = 5
SECONDS = 5.0


def _rows(payment_id: UUID) -> list[Reservation]:
    """A hold of two seats whose time is up."""
    ended = datetime.now(UTC) - timedelta(seconds=1)
    rows = [Reservation(payment_id=payment_id, user_id="fan", seat_id=seat_id) for seat_id in (1, 2)]
    for row in rows:
        row.open(1, ended)
    return rows


async def _expired(database: Database, payment_ids: list[UUID]) -> set[UUID]:
    async def work(transaction: Transaction) -> set[UUID]:
        rows = await transaction.find(Reservation, "payment_id", payment_ids)
        return {row.payment_id for row in rows if row.status == Status.EXPIRED}

    return await database.run(work)


@pytest.fixture
async def database(postgres_admin_url: str) -> AsyncIterator[Database]:
    """An empty database of reservation_svc."""
    url = await migrated_database(postgres_admin_url, "reservation_svc")
    found = Database(Postgres(url, pool_size=4), Departures())
    yield found
    await found.drain(1)


@pytest.fixture
async def payment_ids(database: Database) -> list[UUID]:
    """Holds whose time is up."""
    ids = [new_id() for _ in range(HOLDS)]

    async def insert(transaction: Transaction) -> None:
        transaction.add(*(row for payment_id in ids for row in _rows(payment_id)))

    await database.run(insert)
    return ids


async def test_hold_that_somebody_works_on_keeps_no_other_waiting(database: Database, payment_ids: list[UUID]) -> None:
    """A hold whose rows a checkout or another replica has locked is left to it; all others expire meanwhile."""
    busy, *others = payment_ids
    locked, finish = asyncio.Event(), asyncio.Event()

    async def work_on(transaction: Transaction) -> None:
        await transaction.lock(Reservation, "payment_id", [busy])
        locked.set()
        await finish.wait()

    working = asyncio.create_task(database.run(work_on))
    await locked.wait()
    try:
        async with asyncio.timeout(SECONDS):
            await expire_due(database)
        meanwhile = await _expired(database, payment_ids)
    finally:
        finish.set()
        await working
    await expire_due(database)

    assert meanwhile == set(others)
    assert await _expired(database, payment_ids) == set(payment_ids)


async def test_replicas_expire_each_hold_once(database: Database, payment_ids: list[UUID]) -> None:
    """Replicas that look at the same moment share the work, and say of each hold once that it has expired."""
    said: list[UUID] = []
    database.subscribe(lambda messages: said.extend(message.saga_id for message in messages))

    await asyncio.gather(*(expire_due(database) for _ in range(4)))
    await expire_due(database)

    assert sorted(said) == sorted(payment_ids)


async def _while_it_has_some(
    database: Database, some: Callable[[Transaction], Awaitable[int]], others: Callable[[Database], Awaitable[None]]
) -> int:
    """How many a replica takes on in one portion, while another replica does `others` without waiting for it."""
    taken, finish = asyncio.Event(), asyncio.Event()

    async def hold(transaction: Transaction) -> int:
        count = await some(transaction)
        taken.set()
        await finish.wait()
        return count

    working = asyncio.create_task(database.run(hold))
    await taken.wait()
    try:
        async with asyncio.timeout(SECONDS):
            await others(database)
    finally:
        finish.set()
    return await working


async def test_replicas_share_holds_that_are_over_at_once(database: Database) -> None:
    """While one works on a portion, another takes the rest, and each hold is expired once."""
    # given
    said, payment_ids = list[UUID](), [new_id() for _ in range(2 * MAX_EXPIRED)]

    async def insert(transaction: Transaction) -> None:
        transaction.add(*(row for payment_id in payment_ids for row in _rows(payment_id)))

    await database.run(insert)
    database.subscribe(lambda messages: said.extend(message.saga_id for message in messages))
    # when
    count = await _while_it_has_some(database, expiry._expire_some, expire_due)
    # then
    assert count == MAX_EXPIRED
    assert sorted(said) == sorted(payment_ids)


@pytest.fixture
async def payments(postgres_admin_url: str) -> AsyncIterator[Database]:
    """An empty database of payment_svc."""
    url = await migrated_database(postgres_admin_url, "payment_svc")
    found = Database(Postgres(url, pool_size=4), Departures())
    yield found
    await found.drain(1)


async def test_replicas_share_checkouts_that_are_late(payments: Database) -> None:
    """None waits for another, or asks about a checkout that another has asked about."""
    # given
    said, checkout_ids = list[UUID](), [new_id() for _ in range(2 * MAX_CHASED)]
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    payments.subscribe(lambda messages: said.extend(message.saga_id for message in messages))

    async def insert(transaction: Transaction) -> None:
        transaction.add(
            *(
                Checkout(
                    checkout_id=checkout_id,
                    payment_id=new_id(),
                    user_id="fan",
                    amount=1,
                    deadline=long_ago,
                    created_at=long_ago,
                )
                for checkout_id in checkout_ids
            )
        )

    await payments.run(insert)
    # when
    count = await _while_it_has_some(payments, clock._chase_some, clock.chase_due)
    # then
    assert count == MAX_CHASED
    assert sorted(said) == sorted(checkout_ids)


async def test_replicas_share_refunds_that_are_late(payments: Database) -> None:
    """As with checkouts."""
    # given
    said, refund_ids = list[UUID](), [new_id() for _ in range(2 * MAX_CHASED)]
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    payments.subscribe(lambda messages: said.extend(message.saga_id for message in messages))

    async def insert(transaction: Transaction) -> None:
        transaction.add(
            *(
                Refund(
                    refund_id=refund_id,
                    checkout_id=new_id(),
                    payment_id=new_id(),
                    user_id="fan",
                    amount=1,
                    asked_by=Asker.BUYER,
                    cause="given-back",
                    ask_at=long_ago,
                    created_at=long_ago,
                )
                for refund_id in refund_ids
            )
        )

    await payments.run(insert)
    # when
    count = await _while_it_has_some(payments, clock._chase_some_refunds, clock.chase_due_refunds)
    # then
    assert count == MAX_CHASED
    assert sorted(said) == sorted(refund_ids)
