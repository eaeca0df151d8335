"""The catalogue that the stack is filled with."""

from collections import Counter
from typing import Any

import sqlalchemy as sa

from seat_svc.catalogue import fill
from seat_svc.models import Concert, ConcertDate, Seat


class MemoryConnection:
    """A connection that counts what is there and remembers what is inserted."""

    def __init__(self, there: int) -> None:
        self._there = there
        self.inserted: dict[type, list[dict[str, Any]]] = {}

    async def scalar(self, query: sa.Select[Any]) -> int:
        """How many concerts there are."""
        return self._there

    async def execute(self, query: sa.Insert, rows: list[dict[str, Any]]) -> None:
        """Insert."""
        self.inserted[query.entity_description["entity"]] = rows


async def filled() -> dict[type, list[dict[str, Any]]]:
    """The rows that an empty catalogue gets."""
    connection = MemoryConnection(there=0)
    assert await fill(connection)  # type: ignore[arg-type]
    return connection.inserted


async def test_there_are_two_concerts_with_three_dates_of_500_seats() -> None:
    """Rows refer to each other, and parents come first."""
    # when
    rows = await filled()
    # then
    assert list(rows) == [Concert, ConcertDate, Seat]
    assert [row["concert_id"] for row in rows[Concert]] == [1, 2]
    assert Counter(row["concert_id"] for row in rows[ConcertDate]) == {1: 3, 2: 3}
    assert Counter(row["date_id"] for row in rows[Seat]) == dict.fromkeys(range(1, 7), 500)
    assert sorted(row["seat_id"] for row in rows[Seat]) == list(range(1, 3001))


async def test_all_seats_of_a_new_date_are_available() -> None:
    """The release before is told how many there are."""
    # when
    rows = await filled()
    # then
    assert {row["open_seats"] for row in rows[ConcertDate]} == {500}
    assert {row["status"] for row in rows[Seat]} == {"AVAILABLE"}


async def test_cheap_seats_come_first() -> None:
    """Every date has the same prices, and labels that tell its seats apart."""
    # when
    rows = await filled()
    # then
    for date_id in range(1, 7):
        seats = [row for row in rows[Seat] if row["date_id"] == date_id]
        prices = [row["price"] for row in seats]
        assert prices == sorted(prices)
        assert Counter(prices) == {50_000: 200, 70_000: 200, 100_000: 80, 300_000: 20}
        assert len({row["label"] for row in seats}) == 500
        assert (seats[0]["label"], seats[-1]["label"]) == ("01-01", "25-20")


async def test_a_catalogue_that_is_there_stays() -> None:
    """Filling twice changes nothing."""
    # given
    connection = MemoryConnection(there=2)
    # when, then
    assert not await fill(connection)  # type: ignore[arg-type]
    assert not connection.inserted
