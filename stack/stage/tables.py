"""Tables: reads the databases of the services, each as its service would; they answer while services are broken."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Self
from uuid import UUID

import asyncpg

from chassis.web.problem import Problem, not_found

Row = asyncpg.Record
SECONDS = 3.0
"""How long one database may take"""
MAX_DATES = 50

_DATES = """
    SELECT date_id, title, starts_at,
        (SELECT count(*) FROM seat WHERE seat.date_id = concert_date.date_id AND status IN ('AVAILABLE', 'OCCUPIED'))
        AS open_seats
    FROM concert_date JOIN concert USING (concert_id)
    WHERE date_id <= $1 OR date_id = $2 ORDER BY date_id
"""
_SEATS = """
    SELECT seat_id, label, price, status, holder FROM seat WHERE date_id = $1 ORDER BY seat_id OFFSET $2 LIMIT $3
"""
_RESERVATIONS = """
    SELECT payment_id, user_id, seat_id, status, price, expires_at, reason FROM reservation
    WHERE user_id = $1 AND status IN ('REQUESTED', 'TEMP') OR payment_id = ANY($2) AND user_id = $1
    ORDER BY created_at DESC, payment_id, seat_id LIMIT 60
"""
_PAYMENTS = "SELECT payment_id, user_id, status FROM payment WHERE payment_id = ANY($1)"
_CHECKOUTS = """
    SELECT checkout_id, payment_id, status, reason, amount, created_at, finished_at FROM checkout
    WHERE checkout_id = ANY($1) ORDER BY created_at DESC
"""


class Tables:
    """One connection to each database, for as long as one look takes."""

    def __init__(self, connections: Mapping[str, asyncpg.Connection]) -> None:
        self._connections = connections

    @classmethod
    @asynccontextmanager
    async def of(cls, environment: Mapping[str, str]) -> AsyncIterator[Self]:
        """Connect; raises Problem 503 where a database does not answer."""
        names = ("point", "reservation", "payment", "seat")
        async with AsyncExitStack() as stack:
            opened = await asyncio.gather(*(_connect(stack, name, environment) for name in names))
            yield cls(dict(zip(names, opened, strict=True)))

    async def evening(self, date_id: int, offset: int, limit: int) -> tuple[list[Row], list[Row]]:
        """The dates to choose from, and some seats of one; raises Problem 404 where there is no such date."""
        dates = await self._fetch("seat", _DATES, MAX_DATES, date_id)
        if date_id not in {row["date_id"] for row in dates}:
            raise not_found("date")
        return dates, await self._fetch("seat", _SEATS, date_id, offset, limit)

    async def count(self, date_id: int) -> int:
        """How many seats a date has."""
        rows = await self._fetch("seat", "SELECT count(*) FROM seat WHERE date_id = $1", date_id)
        return int(rows[0]["count"])

    async def seat(self, seat_id: int) -> Row:
        """One seat; raises Problem 404 where there is none."""
        rows = await self._fetch("seat", "SELECT * FROM seat WHERE seat_id = $1", seat_id)
        if not rows:
            raise not_found("seat")
        return rows[0]

    async def labels(self, seat_ids: Collection[int]) -> dict[int, str]:
        """What people call some seats."""
        rows = await self._fetch("seat", "SELECT seat_id, label FROM seat WHERE seat_id = ANY($1)", list(seat_ids))
        return {row["seat_id"]: row["label"] for row in rows}

    async def reservations(self, fan: str, payment_ids: Sequence[UUID]) -> list[Row]:
        """What a fan holds, and what became of some holds, the newest first."""
        return await self._fetch("reservation", _RESERVATIONS, fan, list(payment_ids))

    async def owed(self, payment_ids: Collection[UUID], checkout_ids: Sequence[UUID]) -> tuple[list[Row], list[Row]]:
        """Some payments, and some checkouts, the newest first."""
        payments = await self._fetch("payment", _PAYMENTS, list(payment_ids))
        return payments, await self._fetch("payment", _CHECKOUTS, list(checkout_ids))

    async def balance(self, fan: str) -> int:
        """What the wallet of a fan holds."""
        rows = await self._fetch("point", "SELECT balance FROM wallet WHERE user_id = $1", fan)
        return int(rows[0]["balance"]) if rows else 0

    async def _fetch(self, database: str, query: str, *values: object) -> list[Row]:
        try:
            return list(await self._connections[database].fetch(query, *values, timeout=SECONDS))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise _silent(database) from error


async def _connect(stack: AsyncExitStack, name: str, environment: Mapping[str, str]) -> asyncpg.Connection:
    try:
        connection = await asyncpg.connect(environment[f"{name.upper()}_DATABASE_URL"], timeout=SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _silent(name) from error
    stack.push_async_callback(connection.close, timeout=SECONDS)
    return connection


def _silent(database: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"The database of {database}_svc does not answer.", "no-database")
