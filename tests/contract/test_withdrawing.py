"""A sold seat is withdrawn, and returned, by operators."""

from uuid import uuid4

import pytest

from chassis.store import Database, Transaction
from chassis.web import Keyed, Problem
from seat_svc.api import SeatRequest, SeatView, put
from seat_svc.models import SeatStatus
from seat_svc.revoking import telling
from tests.contract.evenings import begun, calling_off, furnish, listening, seats_of
from tests.contract.test_migrations import migrated_database


@pytest.fixture
async def seats_url(postgres_admin_url: str) -> str:
    """A database of seat_svc with two evenings without seats."""
    return await begun(await migrated_database(postgres_admin_url, "seat_svc"))


async def _put(seats_database: Database, *, is_on_sale: bool) -> SeatView | Problem:
    """An operator withdraws seat 1 or returns it."""

    async def work(transaction: Transaction) -> SeatView | Problem:
        asked = SeatRequest(Keyed("operator", uuid4().hex, "it"), 1, is_on_sale)
        (answer,) = await put(transaction, [asked])
        return answer

    return await seats_database.run(work)


async def test_withdrawal_of_a_sold_seat_is_taken_back_by_its_return(seats_url: str, seats_database: Database) -> None:
    """As long as nobody has been told, nothing has happened."""
    # given
    await furnish(seats_url, SeatStatus.RESERVED, 1, 1)
    before, told = await seats_of(seats_database), listening(seats_database)
    # when
    withdrawn, returned = await _put(seats_database, is_on_sale=False), await _put(seats_database, is_on_sale=True)
    await telling(1)(seats_database)
    # then
    assert isinstance(withdrawn, SeatView)
    assert (withdrawn.status, withdrawn.revoked) == ("reserved", "seat-withdrawn")
    assert isinstance(returned, SeatView)
    assert (returned.status, returned.revoked) == ("reserved", None)
    assert await seats_of(seats_database) == before
    assert told == []


async def test_sold_seat_is_withdrawn_once(seats_url: str, seats_database: Database) -> None:
    """Whoever withdraws it again does not have its buyer told at once again."""
    # given
    await furnish(seats_url, SeatStatus.RESERVED, 1, 1)
    told = listening(seats_database)
    # when
    for _ in range(2):
        await _put(seats_database, is_on_sale=False)
        await telling(1)(seats_database)
    # then
    assert len(told) == 1


@pytest.mark.parametrize("status", SeatStatus)
async def test_seat_of_an_evening_that_is_called_off_does_not_return(
    seats_url: str, seats_database: Database, status: SeatStatus
) -> None:
    """Whatever it was before, and however often somebody withdraws it."""
    # given
    await furnish(seats_url, status, 1, 1)
    await calling_off(seats_database)
    before = await seats_of(seats_database)
    # when
    withdrawn, returned = await _put(seats_database, is_on_sale=False), await _put(seats_database, is_on_sale=True)
    # then
    assert isinstance(withdrawn, SeatView)
    assert withdrawn.revoked == "called-off"
    assert isinstance(returned, Problem)
    assert (returned.status, returned.kind) == (409, "evening-called-off")
    assert await seats_of(seats_database) == before
