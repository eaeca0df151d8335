"""An evening is sold out when no seat of it is open; nobody waits for its row to know it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa

from chassis import new_id
from chassis.choreography.envelope import Envelope
from chassis.run.batch import BatchRunner
from chassis.store import Database, Transaction
from chassis.store.departures import Departures
from chassis.store.postgres import Postgres
from chassis.telemetry.tracing import traceparent_after
from chassis.web import Keyed, Problem
from contracts import payment
from seat_svc.api import SeatRequest, evenings, put
from seat_svc.models import Concert, ConcertDate, Seat, SeatStatus
from seat_svc.steps import reserve, service
from tests.contract.test_migrations import migrated_database
from tests.unit.examples import NOW, an

SECONDS = 5.0
PRICE = 65
LOCKED = "SELECT * FROM concert_date WHERE date_id = 1 FOR UPDATE"
OLD_WRITE = """
    UPDATE concert_date AS stored
    SET concert_id = given.concert_id, starts_at = given.starts_at, status = given.status, open_seats = given.open_seats
    FROM (SELECT 1 AS date_id, 1 AS concert_id, now() AS starts_at, $1::text AS status, $2::int AS open_seats) AS given
    WHERE stored.date_id = given.date_id
"""
"""As the release before counts, which knows nothing of what the new code has sold"""


def _seats(holders: Sequence[UUID]) -> list[Seat]:
    held = enumerate(holders, 1)
    return [Seat(seat_id=at, date_id=1, label="", price=PRICE, status=SeatStatus.OCCUPIED, holder=x) for at, x in held]


@pytest.fixture
def holders() -> list[UUID]:
    """The payments that hold the two seats of the only evening."""
    return [new_id(), new_id()]


@pytest.fixture
async def seats_url(postgres_admin_url: str, holders: Sequence[UUID]) -> str:
    """A database of seat_svc with one evening."""
    url = await migrated_database(postgres_admin_url, "seat_svc")
    first = Database(Postgres(url, pool_size=1), Departures())

    async def insert(transaction: Transaction) -> None:
        await transaction.execute(sa.insert(Concert).values(concert_id=1, title=""))
        await transaction.execute(sa.insert(ConcertDate).values(date_id=1, concert_id=1, starts_at=NOW))
        transaction.add(*_seats(holders))

    await first.run(insert)
    await first.drain(1)
    return url


@pytest.fixture
async def processes(seats_url: str) -> AsyncIterator[list[Database]]:
    """The connections of two processes of seat_svc."""
    found = [Database(Postgres(seats_url, pool_size=2), Departures()) for _ in range(2)]
    yield found
    for database in found:
        await database.drain(1)


def _paid(seat_id: int, holder: UUID) -> Envelope:
    deadline = NOW.replace(year=NOW.year + 100)
    paid = an(payment.Paid, payment_id=holder, checkout_id=new_id(), seat_ids=(seat_id,), amount=PRICE)
    event = paid.model_copy(update={"deadline": deadline})
    return Envelope(event, new_id(), None, NOW, traceparent_after(None, event.saga_id))


async def _sell(database: Database, seat_id: int, holder: UUID) -> None:
    async with asyncio.timeout(SECONDS):
        outcomes = await BatchRunner(service.declared(reserve), database, {}).run([_paid(seat_id, holder)])
    assert outcomes == [None]


async def _evening(database: Database) -> tuple[str, int]:
    """What `GET /concerts/1/dates` shows."""

    async def work(transaction: Transaction) -> list[Any]:
        return await evenings(transaction, [1])

    ((evening,),) = await database.run(work)
    return evening.status, evening.open_seats


async def test_last_seats_sold_by_two_processes_at_once_sell_out(
    processes: Sequence[Database], holders: Sequence[UUID]
) -> None:
    """Neither of them sees that the other one sells, and the evening is sold out all the same."""
    # given
    assert await _evening(processes[0]) == ("available", 2)
    both = asyncio.Barrier(2)

    async def sell(database: Database, seat_id: int) -> None:
        async def work(transaction: Transaction) -> None:
            (row,) = await transaction.lock(Seat, "seat_id", [seat_id])
            await both.wait()  # now both are in the middle of their transactions
            row.reserve()

        await database.run(work)

    # when
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(sell(database, seat_id) for seat_id, database in enumerate(processes, 1)))
    # then
    assert await _evening(processes[1]) == ("sold_out", 0)


async def test_sale_does_not_wait_for_its_evening(
    processes: Sequence[Database], holders: Sequence[UUID], somebody: "asyncpg.Connection[Any]"
) -> None:
    """While somebody else keeps the row of the evening locked, its seats are sold, withdrawn and returned."""
    database = processes[0]
    async with somebody.transaction():
        # given
        await somebody.execute(LOCKED)
        # when
        await _sell(database, 1, holders[0])
        withdrawn = await _put(database, is_on_sale=False)
        without = await _evening(database)
        returned = await _put(database, is_on_sale=True)
        again = await _evening(database)
    # then
    assert (withdrawn, without) == ("withdrawn", ("sold_out", 0))
    assert (returned, again) == ("occupied", ("available", 1))


async def _put(database: Database, *, is_on_sale: bool) -> str:
    """The status of seat 2 after an operator has put it where it is to be."""
    asked = SeatRequest(Keyed("eve", str(new_id()), f"{is_on_sale}"), 2, is_on_sale)

    async def work(transaction: Transaction) -> Any:
        return await put(transaction, [asked])

    async with asyncio.timeout(SECONDS):
        (view,) = await database.run(work)
    return str(view.status)


async def test_unknown_concert_is_missing_and_one_without_evenings_is_not(processes: Sequence[Database]) -> None:
    """Those who ask at the same moment are answered each for itself."""

    async def work(transaction: Transaction) -> list[Any]:
        await transaction.execute(sa.insert(Concert).values(concert_id=2, title=""))
        return await evenings(transaction, [1, 2, 3, 1])

    first, empty, unknown, again = await processes[0].run(work)

    assert len(first) == 1
    assert (empty, again) == ([], first)
    assert isinstance(unknown, Problem)


@pytest.mark.parametrize(("status", "counted"), [("AVAILABLE", 7), ("SOLD_OUT", 0), ("AVAILABLE", -1)])
async def test_what_the_release_before_counts_wrong_is_put_right(
    processes: Sequence[Database],
    holders: Sequence[UUID],
    somebody: "asyncpg.Connection[Any]",
    status: str,
    counted: int,
) -> None:
    """It writes the evening with each of its sales; what is stored is what the seats say."""
    # given
    await _sell(processes[0], 1, holders[0])
    # when
    await somebody.execute(OLD_WRITE, status, counted)
    one_left = await somebody.fetchrow("SELECT status, open_seats FROM concert_date")
    await somebody.execute("UPDATE seat SET status = 'RESERVED' WHERE seat_id = 2")
    await somebody.execute(OLD_WRITE, status, counted)
    none_left = await somebody.fetchrow("SELECT status, open_seats FROM concert_date")
    # then
    assert (one_left, none_left) == (("AVAILABLE", 1), ("SOLD_OUT", 0))
