"""Seats to try things on, so that no two tests want the same by accident."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from tests.end_to_end.system import System

SEEDED = range(1, 7)
CHEAP, DEAR = 50_000, 300_000
NEXT_YEAR = timedelta(days=365)


class Catalogue:
    """Hands out seats that are free, each once; opens further dates where a test wants one for itself."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._taken: set[int] = set()

    async def free(self, count: int = 1, price: int = CHEAP) -> tuple[int, ...]:
        """So many seats of one date, at this price, that nobody has; of a new date where the seeded ones are gone."""
        for date_id in SEEDED:
            found = [seat["seat_id"] for seat in await self.seats(date_id) if self._is_free(seat, price)][:count]
            if len(found) == count:
                self._taken.update(found)
                return tuple(found)
        return await self.new_date(count, price)

    async def seats(self, date_id: int) -> list[dict[str, Any]]:
        """The seats of a date, as everybody sees them."""
        answer = await self._system.ask("GET", "seat", f"/dates/{date_id}/seats")
        return list(answer.json())

    async def seat(self, seat_id: int) -> dict[str, Any]:
        """One seat, as everybody sees it."""
        date_id = await self.date_of(seat_id)
        return next(seat for seat in await self.seats(date_id) if seat["seat_id"] == seat_id)

    async def date(self, date_id: int) -> dict[str, Any]:
        """One date, as everybody sees it."""
        concert_id = await self._system.databases.value(
            "seat", "SELECT concert_id FROM concert_date WHERE date_id = $1", date_id
        )
        answer = await self._system.ask("GET", "seat", f"/concerts/{concert_id}/dates")
        return next(dict(date) for date in answer.json() if date["date_id"] == date_id)

    async def date_of(self, seat_id: int) -> int:
        """The date of a seat."""
        return int(await self._system.databases.value("seat", "SELECT date_id FROM seat WHERE seat_id = $1", seat_id))

    async def new_date(self, count: int, price: int = CHEAP, begins_in: timedelta = NEXT_YEAR) -> tuple[int, ...]:
        """The seats of a date that did not exist before."""
        databases = self._system.databases
        date_id = 1 + await databases.value("seat", "SELECT max(date_id) FROM concert_date")
        first = 1 + await databases.value("seat", "SELECT max(seat_id) FROM seat")
        await databases.change("seat", "INSERT INTO concert_date VALUES ($1, 1, now() + $2)", date_id, begins_in)
        await databases.change(
            "seat",
            "INSERT INTO seat SELECT n, $1, 'X-' || n, $2, 'AVAILABLE', NULL FROM generate_series($3::int, $4::int) n",
            date_id,
            price,
            first,
            first + count - 1,
        )
        return tuple(range(first, first + count))

    @contextlib.asynccontextmanager
    async def unsellable(self, date_id: int) -> AsyncIterator[None]:
        """While the context lasts the database refuses to have a seat of this date sold."""
        databases, name = self._system.databases, f"unsellable_{date_id}"
        sold = f"date_id = {date_id} AND status = 'RESERVED'"
        await databases.change("seat", f"ALTER TABLE seat ADD CONSTRAINT {name} CHECK (NOT ({sold})) NOT VALID")
        try:
            yield
        finally:
            await databases.change("seat", f"ALTER TABLE seat DROP CONSTRAINT {name}")

    def _is_free(self, seat: dict[str, Any], price: int) -> bool:
        return seat["status"] == "available" and seat["price"] == price and seat["seat_id"] not in self._taken
