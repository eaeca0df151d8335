"""An evening is called off at once, however large it is, and whoever has its seats is told at a bounded rate."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.store import Database, Transaction
from chassis.store.departures import Departures
from chassis.store.postgres import Postgres
from chassis.web import Keyed, Problem
from seat_svc.api import SeatRequest, SeatView, put
from seat_svc.calling_off import CallOff, EveningState, call_off
from seat_svc.models import Seat, SeatStatus
from seat_svc.revoking import MAX_TOLD, tell_some, telling
from tests.contract.test_migrations import migrated_database
from tests.end_to_end.eventually import eventually

SECONDS = 5.0
MAX_CALL_OFF_SECONDS = 4.0
"""Half of what a statement may take"""
NO_DATE = 99
_EVENINGS = "INSERT INTO concert_date (date_id, concert_id, starts_at) VALUES (1, 1, $1), (2, 1, $1)"
_SEATS = """
    INSERT INTO seat (seat_id, date_id, label, price, status, holder)
    SELECT n, $1, 'X', 100, $2::text, CASE WHEN $2 IN ('OCCUPIED', 'RESERVED') THEN gen_random_uuid() END
    FROM generate_series($3::int, $4::int) AS n
    """
TOMORROW = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
async def url(postgres_admin_url: str) -> str:
    """A database of seat_svc with two evenings without seats."""
    url = await migrated_database(postgres_admin_url, "seat_svc")
    connection = await asyncpg.connect(url)
    await connection.execute("INSERT INTO concert VALUES (1, 'it')")
    await connection.execute(_EVENINGS, TOMORROW)
    await connection.close()
    return url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """The database as a process of the service has it."""
    found = Database(Postgres(url, pool_size=4), Departures())
    yield found
    await found.drain(1)


@pytest.fixture
async def other(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Somebody else in the database."""
    connection = await asyncpg.connect(url)
    yield connection
    connection.terminate()


async def _furnish(url: str, status: SeatStatus, first: int, last: int, date_id: int = 1) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(_SEATS, date_id, status, first, last)
    await connection.close()


async def _call_off(database: Database, date_id: int = 1) -> EveningState | Problem:
    async def work(transaction: Transaction) -> EveningState | Problem:
        asked = CallOff(Keyed("operator", uuid4().hex, f"cancel {date_id}"), date_id)
        (answer,) = await call_off(transaction, [asked])
        return answer

    return await database.run(work)


async def _seats(database: Database, date_id: int = 1) -> list[Seat]:
    async def work(transaction: Transaction) -> list[Seat]:
        return await transaction.find(Seat, "date_id", [date_id])

    return await database.run(work)


async def _holders(database: Database) -> dict[int, UUID]:
    return {row.seat_id: row.holder for row in await _seats(database) if row.holder}


def _telling(database: Database) -> list[UUID]:
    """Whom the database tells from now on."""
    told = list[UUID]()
    database.subscribe(lambda messages: told.extend(message.saga_id for message in messages))
    return told


async def test_everything_of_an_evening_is_revoked(url: str, database: Database) -> None:
    """What is free or held is off sale at once, and its holder known; what is sold stays sold until it is refunded."""
    # given
    await _furnish(url, SeatStatus.AVAILABLE, 1, 2)
    await _furnish(url, SeatStatus.OCCUPIED, 3, 5)
    await _furnish(url, SeatStatus.RESERVED, 6, 9)
    await _furnish(url, SeatStatus.AVAILABLE, 10, 10, date_id=2)
    before = {row.seat_id: row.holder for row in await _seats(database)}
    # when
    state = await _call_off(database)
    # then
    rows = await _seats(database)
    assert isinstance(state, EveningState)
    assert [row.status for row in rows] == 5 * [SeatStatus.WITHDRAWN] + 4 * [SeatStatus.RESERVED]
    assert {row.seat_id: row.holder for row in rows} == before
    assert {row.revoked for row in rows} == {"called-off"}
    assert {row.revoke_at for row in rows if row.holder} == {state.called_off_at}
    assert {row.revoke_at for row in rows if not row.holder} == {None}
    assert state.model_dump(exclude={"called_off_at", "starts_at", "date_id", "concert_id"}) == {
        "status": "called_off",
        "seats": 9,
        "available": 0,
        "held": 3,
        "sold": 4,
        "withdrawn": 2,
        "to_tell": 7,
        "done": False,
    }
    (elsewhere,) = await _seats(database, 2)
    assert (elsewhere.status, elsewhere.revoked) == (SeatStatus.AVAILABLE, None)


async def test_evening_is_called_off_once(url: str, database: Database) -> None:
    """Whoever calls it off again begins nothing again, and sees how far it has come."""
    # given
    await _furnish(url, SeatStatus.RESERVED, 1, 2)
    first = await _call_off(database)
    await telling(1)(database)
    # when
    again = await _call_off(database)
    # then
    assert isinstance(first, EveningState)
    assert again == first.model_copy(update={"to_tell": 1})


async def test_evening_without_seats_is_done_at_once(database: Database) -> None:
    """There is nobody to tell."""
    state = await _call_off(database)
    assert isinstance(state, EveningState)
    assert (state.status, state.seats, state.done) == ("called_off", 0, True)


async def test_unknown_evening_is_missing(database: Database) -> None:
    """What is not there cannot be called off."""
    answer = await _call_off(database, NO_DATE)
    assert isinstance(answer, Problem)
    assert answer.status == 404


async def test_ten_thousand_seats_are_revoked_in_one_transaction(url: str, database: Database) -> None:
    """It takes a part of the time that a statement may take."""
    # given
    await _furnish(url, SeatStatus.RESERVED, 1, 10_000)
    began = time.monotonic()
    # when
    state = await _call_off(database)
    # then
    seconds = time.monotonic() - began
    print(f"10,000 seats revoked in {seconds:.2f} s")  # noqa: T201  # a figure for whoever wants one
    assert isinstance(state, EveningState)
    assert (state.sold, state.to_tell) == (10_000, 10_000)
    assert seconds < MAX_CALL_OFF_SECONDS


async def test_call_off_and_a_sale_do_not_wait_for_each_other_for_ever(
    url: str, database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Both lock seats in the order of their key, whatever order the table has them in: nobody has to begin again."""
    # given
    await _furnish(url, SeatStatus.OCCUPIED, 2, 1_000)
    await _furnish(url, SeatStatus.OCCUPIED, 1, 1)
    await other.execute("ANALYZE seat")  # so that they are read in the order of the table
    attempts = 0

    async def work(transaction: Transaction) -> list[EveningState | Problem]:
        nonlocal attempts
        attempts += 1
        return await call_off(transaction, [CallOff(Keyed("operator", "it", "cancel 1"), 1)])

    async with other.transaction():
        await other.execute("SELECT FROM seat WHERE seat_id = 1 FOR UPDATE")
        calling_off = asyncio.create_task(database.run(work))
        await _waits(other)
        # when
        await other.execute("UPDATE seat SET status = 'RESERVED' WHERE seat_id = 2")
    # then
    (state,) = await asyncio.wait_for(calling_off, SECONDS)
    assert isinstance(state, EveningState)
    assert (state.held, state.sold, attempts) == (999, 1, 1)


async def _waits(other: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Until somebody waits for a lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    await eventually(lambda: other.fetchval(waiting), within=SECONDS)


async def test_payments_are_told_so_many_at_a_time(url: str, database: Database) -> None:
    """The rest is told later, and nobody twice before all have been told."""
    # given
    count = 2 * MAX_TOLD + 3
    await _furnish(url, SeatStatus.RESERVED, 1, count)
    await _call_off(database)
    told = _telling(database)
    # when
    await telling(MAX_TOLD + 1)(database)
    meanwhile = len(told)
    await telling(count)(database)
    await telling(count)(database)
    # then
    assert meanwhile == MAX_TOLD + 1
    assert sorted(told) == sorted((await _holders(database)).values())


async def test_payment_is_told_once_for_all_its_seats_and_again_later(
    url: str, database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """It is told again until it has none."""
    # given
    payment_id = uuid4()
    await _furnish(url, SeatStatus.RESERVED, 1, 3)
    await other.execute("UPDATE seat SET holder = $1", payment_id)
    await _call_off(database)
    told = _telling(database)
    # when
    for _ in range(2):
        await telling(10)(database)
    await other.execute("UPDATE seat SET revoke_at = now()")
    await telling(10)(database)
    # then
    assert told == 2 * [payment_id]


async def test_payments_are_counted_and_not_their_seats(
    url: str, database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Two payments of three seats each are two, however many may be told."""
    # given
    payment_ids = [uuid4(), uuid4()]
    await _furnish(url, SeatStatus.RESERVED, 1, 6)
    await other.execute("UPDATE seat SET holder = ($1::uuid[])[1 + seat_id / 4]", payment_ids)
    await _call_off(database)
    told = _telling(database)
    # when
    await telling(2)(database)
    # then
    assert sorted(told) == sorted(payment_ids)


async def test_replicas_tell_each_payment_once(url: str, database: Database) -> None:
    """Those that look at the same moment find different payments."""
    # given
    await _furnish(url, SeatStatus.RESERVED, 1, 3 * MAX_TOLD)
    await _call_off(database)
    told = _telling(database)
    # when
    await asyncio.gather(*(telling(3 * MAX_TOLD)(database) for _ in range(4)))
    # then
    assert sorted(told) == sorted((await _holders(database)).values())


async def test_seat_that_somebody_works_on_keeps_nobody_waiting(
    url: str, database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A payment is told for its other seats, and of that one when it is free."""
    # given
    payment_id = uuid4()
    await _furnish(url, SeatStatus.RESERVED, 1, 4)
    await other.execute("UPDATE seat SET holder = $1 WHERE seat_id IN (1, 3)", payment_id)
    await _call_off(database)
    told = _telling(database)
    # when
    async with other.transaction():
        await other.execute("SELECT FROM seat WHERE seat_id IN (3, 4) FOR UPDATE")
        async with asyncio.timeout(SECONDS):
            await telling(10)(database)
        meanwhile = list(told)
    await telling(10)(database)
    # then
    holders = await _holders(database)
    assert sorted(meanwhile) == sorted([payment_id, holders[2]])
    assert sorted(told[2:]) == sorted([payment_id, holders[4]])


async def test_nobody_is_told_who_has_nothing(
    url: str, database: Database, other: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A seat that nobody has stands in nobody's way."""
    await _furnish(url, SeatStatus.AVAILABLE, 1, 1)
    await other.execute("UPDATE seat SET revoke_at = now()")

    async def work(transaction: Transaction) -> int:
        return await tell_some(1, transaction)

    assert await database.run(work) == 0


async def _put(database: Database, *, is_on_sale: bool) -> SeatView | Problem:
    """An operator withdraws seat 1 or returns it."""

    async def work(transaction: Transaction) -> SeatView | Problem:
        asked = SeatRequest(Keyed("operator", uuid4().hex, "it"), 1, is_on_sale)
        (answer,) = await put(transaction, [asked])
        return answer

    return await database.run(work)


async def test_withdrawal_of_a_sold_seat_is_taken_back_by_its_return(url: str, database: Database) -> None:
    """As long as nobody has been told, nothing has happened."""
    # given
    await _furnish(url, SeatStatus.RESERVED, 1, 1)
    before, told = await _seats(database), _telling(database)
    # when
    withdrawn, returned = await _put(database, is_on_sale=False), await _put(database, is_on_sale=True)
    await telling(1)(database)
    # then
    assert isinstance(withdrawn, SeatView)
    assert (withdrawn.status, withdrawn.revoked) == ("reserved", "seat-withdrawn")
    assert isinstance(returned, SeatView)
    assert (returned.status, returned.revoked) == ("reserved", None)
    assert await _seats(database) == before
    assert told == []


async def test_sold_seat_is_withdrawn_once(url: str, database: Database) -> None:
    """Whoever withdraws it again does not have its buyer told at once again."""
    # given
    await _furnish(url, SeatStatus.RESERVED, 1, 1)
    told = _telling(database)
    # when
    for _ in range(2):
        await _put(database, is_on_sale=False)
        await telling(1)(database)
    # then
    assert len(told) == 1


@pytest.mark.parametrize("status", SeatStatus)
async def test_seat_of_an_evening_that_is_called_off_does_not_return(
    url: str, database: Database, status: SeatStatus
) -> None:
    """Whatever it was before, and however often somebody withdraws it."""
    # given
    await _furnish(url, status, 1, 1)
    await _call_off(database)
    before = await _seats(database)
    # when
    withdrawn, returned = await _put(database, is_on_sale=False), await _put(database, is_on_sale=True)
    # then
    assert isinstance(withdrawn, SeatView)
    assert withdrawn.revoked == "called-off"
    assert isinstance(returned, Problem)
    assert (returned.status, returned.kind) == (409, "evening-called-off")
    assert await _seats(database) == before
