"""Evenings with seats in the database of seat_svc, and what happens to them there."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from chassis.store import Database, Transaction
from chassis.web import Keyed, Problem
from seat_svc.calling_off import CallOff, EveningState, call_off
from seat_svc.models import Seat, SeatStatus

_EVENINGS = "INSERT INTO concert_date (date_id, concert_id, starts_at) VALUES (1, 1, $1), (2, 1, $1)"
_SEATS = """
    INSERT INTO seat (seat_id, date_id, label, price, status, holder)
    SELECT n, $1, 'X', 100, $2::text, CASE WHEN $2 IN ('OCCUPIED', 'RESERVED') THEN gen_random_uuid() END
    FROM generate_series($3::int, $4::int) AS n
    """
TOMORROW = datetime.now(UTC) + timedelta(days=1)


async def begun(url: str) -> str:
    """Two evenings without seats are in a database of seat_svc; returns its URL."""
    connection = await asyncpg.connect(url)
    await connection.execute("INSERT INTO concert VALUES (1, 'it')")
    await connection.execute(_EVENINGS, TOMORROW)
    await connection.close()
    return url


async def furnish(url: str, status: SeatStatus, first: int, last: int, date_id: int = 1) -> None:
    """Add seats of one status, each that is held or sold in another name."""
    connection = await asyncpg.connect(url)
    await connection.execute(_SEATS, date_id, status, first, last)
    await connection.close()


async def calling_off(database: Database, date_id: int = 1) -> EveningState | Problem:
    """An operator calls an evening off."""

    async def work(transaction: Transaction) -> EveningState | Problem:
        asked = CallOff(Keyed("operator", uuid4().hex, f"cancel {date_id}"), date_id)
        (answer,) = await call_off(transaction, [asked])
        return answer

    return await database.run(work)


async def seats_of(database: Database, date_id: int = 1) -> list[Seat]:
    """The seats of an evening."""

    async def work(transaction: Transaction) -> list[Seat]:
        return await transaction.find(Seat, "date_id", [date_id])

    return await database.run(work)


async def holders(database: Database) -> dict[int, UUID]:
    """In whose name the seats are that somebody has."""
    return {row.seat_id: row.holder for row in await seats_of(database) if row.holder}


def listening(database: Database) -> list[UUID]:
    """Whom the database tells from now on."""
    told = list[UUID]()
    database.subscribe(lambda messages: told.extend(message.saga_id for message in messages))
    return told
