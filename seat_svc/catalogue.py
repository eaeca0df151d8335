"""`python -m seat_svc.catalogue` fills an empty catalogue: 2 concerts, 3 dates each, 500 seats each.

Cheap seats come first. The last twenty of each date are so dear that four of them are over the limit of a payment.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from pydantic import SecretStr
from pydantic_settings import BaseSettings
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.settings import settings_of
from chassis.store import engine
from seat_svc.models import Concert, ConcertDate, Seat

TITLES = ("Night of the Long Bows", "The Quorum Sings")
DATES, SEATS = 3, 500
OPENING = datetime(2027, 5, 7, 19, 30, tzinfo=UTC)
PRICES = ((200, 50_000), (400, 70_000), (480, 100_000), (SEATS, 300_000))
"""Up to which seat number which price holds, in points."""


class CatalogueSettings(BaseSettings):
    """The database of seat_svc."""

    model_config = settings_of("seat")

    database_url: SecretStr


async def fill(connection: AsyncConnection) -> bool:
    """Fill the catalogue unless it holds something; says whether it did."""
    if await connection.scalar(sa.select(sa.func.count()).select_from(Concert)):
        return False
    concerts = [{"concert_id": number, "title": title} for number, title in enumerate(TITLES, start=1)]
    dates = [_date(number) for number in range(1, len(TITLES) * DATES + 1)]
    seats = [_seat(date["date_id"], number) for date in dates for number in range(1, SEATS + 1)]
    for table, rows in ((Concert, concerts), (ConcertDate, dates), (Seat, seats)):
        await connection.execute(sa.insert(table), rows)
    return True


def _date(number: int) -> dict[str, object]:
    return {
        "date_id": number,
        "concert_id": (number - 1) // DATES + 1,
        "starts_at": OPENING + timedelta(days=number - 1),
        # For the release before, which may run beside this one.
        "open_seats": SEATS,
    }


def _seat(date_id: object, number: int) -> dict[str, object]:
    assert isinstance(date_id, int)  # noqa: S101  # for the type checker
    return {
        "seat_id": (date_id - 1) * SEATS + number,
        "date_id": date_id,
        "label": f"{(number - 1) // 20 + 1:02d}-{(number - 1) % 20 + 1:02d}",
        "price": next(price for last, price in PRICES if number <= last),
        "status": "AVAILABLE",
    }


async def main() -> None:
    """Fill the catalogue of the database in the environment."""
    opened = engine(CatalogueSettings().database_url.get_secret_value())
    async with opened.begin() as connection:
        filled = await fill(connection)
    await opened.dispose()
    print("catalogue filled" if filled else "catalogue was there")  # noqa: T201  # the command's answer


if __name__ == "__main__":
    asyncio.run(main())
