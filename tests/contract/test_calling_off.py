"""An evening is called off at once, however large it is, and whoever has its seats is told at a bounded rate."""

import asyncio
import time

import asyncpg
import pytest

from chassis.store import Database, Transaction
from chassis.web import Keyed, Problem
from seat_svc.calling_off import CallOff, EveningState, call_off
from seat_svc.models import SeatStatus
from seat_svc.revoking import telling
from tests.contract.evenings import begun, calling_off, furnish, seats_of
from tests.contract.test_migrations import migrated_database
from tests.end_to_end.eventually import eventually

SECONDS = 5.0
MAX_CALL_OFF_SECONDS = 4.0
"""Half of what a statement may take"""
NO_DATE = 99


@pytest.fixture
async def seats_url(postgres_admin_url: str) -> str:
    """A database of seat_svc with two evenings without seats."""
    return await begun(await migrated_database(postgres_admin_url, "seat_svc"))


async def test_everything_of_an_evening_is_revoked(seats_url: str, seats_database: Database) -> None:
    """What is free or held is off sale at once, and its holder known; what is sold stays sold until it is refunded."""
    # given
    await furnish(seats_url, SeatStatus.AVAILABLE, 1, 2)
    await furnish(seats_url, SeatStatus.OCCUPIED, 3, 5)
    await furnish(seats_url, SeatStatus.RESERVED, 6, 9)
    await furnish(seats_url, SeatStatus.AVAILABLE, 10, 10, date_id=2)
    before = {row.seat_id: row.holder for row in await seats_of(seats_database)}
    # when
    state = await calling_off(seats_database)
    # then
    rows = await seats_of(seats_database)
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
    (elsewhere,) = await seats_of(seats_database, 2)
    assert (elsewhere.status, elsewhere.revoked) == (SeatStatus.AVAILABLE, None)


async def test_evening_is_called_off_once(seats_url: str, seats_database: Database) -> None:
    """Whoever calls it off again begins nothing again, and sees how far it has come."""
    # given
    await furnish(seats_url, SeatStatus.RESERVED, 1, 2)
    first = await calling_off(seats_database)
    await telling(1)(seats_database)
    # when
    again = await calling_off(seats_database)
    # then
    assert isinstance(first, EveningState)
    assert again == first.model_copy(update={"to_tell": 1})


async def test_evening_without_seats_is_done_at_once(seats_database: Database) -> None:
    """There is nobody to tell."""
    state = await calling_off(seats_database)
    assert isinstance(state, EveningState)
    assert (state.status, state.seats, state.done) == ("called_off", 0, True)


async def test_unknown_evening_is_missing(seats_database: Database) -> None:
    """What is not there cannot be called off."""
    answer = await calling_off(seats_database, NO_DATE)
    assert isinstance(answer, Problem)
    assert answer.status == 404


async def test_ten_thousand_seats_are_revoked_in_one_transaction(seats_url: str, seats_database: Database) -> None:
    """It takes a part of the time that a statement may take."""
    # given
    await furnish(seats_url, SeatStatus.RESERVED, 1, 10_000)
    began = time.monotonic()
    # when
    state = await calling_off(seats_database)
    # then
    seconds = time.monotonic() - began
    print(f"10,000 seats revoked in {seconds:.2f} s")  # noqa: T201  # a figure for whoever wants one
    assert isinstance(state, EveningState)
    assert (state.sold, state.to_tell) == (10_000, 10_000)
    assert seconds < MAX_CALL_OFF_SECONDS


async def test_call_off_and_a_sale_do_not_wait_for_each_other_for_ever(
    seats_url: str, seats_database: Database, somebody: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Both lock seats in the order of their key, whatever order the table has them in: nobody has to begin again."""
    # given
    await furnish(seats_url, SeatStatus.OCCUPIED, 2, 1_000)
    await furnish(seats_url, SeatStatus.OCCUPIED, 1, 1)
    await somebody.execute("ANALYZE seat")  # so that they are read in the order of the table
    attempts = 0

    async def work(transaction: Transaction) -> list[EveningState | Problem]:
        nonlocal attempts
        attempts += 1
        return await call_off(transaction, [CallOff(Keyed("operator", "it", "cancel 1"), 1)])

    async with somebody.transaction():
        await somebody.execute("SELECT FROM seat WHERE seat_id = 1 FOR UPDATE")
        calling_off = asyncio.create_task(seats_database.run(work))
        await _waits(somebody)
        # when
        await somebody.execute("UPDATE seat SET status = 'RESERVED' WHERE seat_id = 2")
    # then
    (state,) = await asyncio.wait_for(calling_off, SECONDS)
    assert isinstance(state, EveningState)
    assert (state.held, state.sold, attempts) == (999, 1, 1)


async def _waits(somebody: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Until somebody waits for a lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    await eventually(lambda: somebody.fetchval(waiting), within=SECONDS)
