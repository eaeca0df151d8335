"""Whoever has seats that were revoked is told, at a bounded rate and by one process."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from chassis.store import Database, Transaction
from seat_svc.models import SeatStatus
from seat_svc.revoking import MAX_TOLD, tell_some, telling
from tests.contract.evenings import begun, calling_off, furnish, holders, listening
from tests.contract.test_migrations import migrated_database

SECONDS = 5.0


@pytest.fixture
async def seats_url(postgres_admin_url: str) -> str:
    """A database of seat_svc with two evenings without seats."""
    return await begun(await migrated_database(postgres_admin_url, "seat_svc"))


async def test_payments_are_told_so_many_at_a_time(seats_url: str, seats_database: Database) -> None:
    """The rest is told later, and nobody twice before all have been told."""
    # given
    count = 2 * MAX_TOLD + 3
    await furnish(seats_url, SeatStatus.RESERVED, 1, count)
    await calling_off(seats_database)
    told = listening(seats_database)
    # when
    await telling(MAX_TOLD + 1)(seats_database)
    meanwhile = len(told)
    await telling(count)(seats_database)
    await telling(count)(seats_database)
    # then
    assert meanwhile == MAX_TOLD + 1
    assert sorted(told) == sorted((await holders(seats_database)).values())


async def test_payment_is_told_once_for_all_its_seats_and_again_later(
    seats_url: str, seats_database: Database, somebody: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """It is told again until it has none."""
    # given
    payment_id = uuid4()
    await furnish(seats_url, SeatStatus.RESERVED, 1, 3)
    await somebody.execute("UPDATE seat SET holder = $1", payment_id)
    await calling_off(seats_database)
    told = listening(seats_database)
    # when
    for _ in range(2):
        await telling(10)(seats_database)
    await somebody.execute("UPDATE seat SET revoke_at = now()")
    await telling(10)(seats_database)
    # then
    assert told == 2 * [payment_id]


async def test_payments_are_counted_and_not_their_seats(
    seats_url: str, seats_database: Database, somebody: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Two payments of three seats each are two, however many may be told."""
    # given
    payment_ids = [uuid4(), uuid4()]
    await furnish(seats_url, SeatStatus.RESERVED, 1, 6)
    await somebody.execute("UPDATE seat SET holder = ($1::uuid[])[1 + seat_id / 4]", payment_ids)
    await calling_off(seats_database)
    told = listening(seats_database)
    # when
    await telling(2)(seats_database)
    # then
    assert sorted(told) == sorted(payment_ids)


async def test_replicas_tell_each_payment_once(seats_url: str, seats_database: Database) -> None:
    """Those that look at the same moment find different payments."""
    # given
    await furnish(seats_url, SeatStatus.RESERVED, 1, 3 * MAX_TOLD)
    await calling_off(seats_database)
    told = listening(seats_database)
    # when
    await asyncio.gather(*(telling(3 * MAX_TOLD)(seats_database) for _ in range(4)))
    # then
    assert sorted(told) == sorted((await holders(seats_database)).values())


async def test_seat_that_somebody_works_on_keeps_nobody_waiting(
    seats_url: str, seats_database: Database, somebody: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A payment is told for its other seats, and of that one when it is free."""
    # given
    payment_id = uuid4()
    await furnish(seats_url, SeatStatus.RESERVED, 1, 4)
    await somebody.execute("UPDATE seat SET holder = $1 WHERE seat_id IN (1, 3)", payment_id)
    await calling_off(seats_database)
    told = listening(seats_database)
    # when
    async with somebody.transaction():
        await somebody.execute("SELECT FROM seat WHERE seat_id IN (3, 4) FOR UPDATE")
        async with asyncio.timeout(SECONDS):
            await telling(10)(seats_database)
        meanwhile = list(told)
    await telling(10)(seats_database)
    # then
    known = await holders(seats_database)
    assert sorted(meanwhile) == sorted([payment_id, known[2]])
    assert sorted(told[2:]) == sorted([payment_id, known[4]])


async def test_nobody_is_told_who_has_nothing(
    seats_url: str, seats_database: Database, somebody: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A seat that nobody has stands in nobody's way."""
    await furnish(seats_url, SeatStatus.AVAILABLE, 1, 1)
    await somebody.execute("UPDATE seat SET revoke_at = now()")

    async def work(transaction: Transaction) -> int:
        return await tell_some(1, transaction)

    assert await seats_database.run(work) == 0
