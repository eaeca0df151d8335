"""The REST interface of seat_svc.

What operators ask for needs no Idempotency-Key: to withdraw a seat, or to return it, twice is the same as once.
"""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel
from sqlmodel import col, select

from chassis.store import Transaction
from chassis.web import CurrentOperator, CurrentRuntime, Problem, documented, not_found
from seat_svc.models import Concert, ConcertDate, Seat, SeatStatus

router = APIRouter(responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY))
OPERATIONS = documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)

CatalogueId = Annotated[int, Path(ge=1, le=2**31 - 1)]


class ConcertView(BaseModel):
    """A concert."""

    concert_id: int
    title: str


class DateView(BaseModel):
    """One evening of a concert; `status` is available or sold_out."""

    date_id: int
    concert_id: int
    starts_at: datetime
    status: str
    open_seats: int


class SeatView(BaseModel):
    """A seat; `status` is available, occupied, reserved or withdrawn."""

    seat_id: int
    date_id: int
    label: str
    price: int
    status: str


@router.get("/concerts", tags=["catalogue"])
async def concerts(runtime: CurrentRuntime) -> list[ConcertView]:
    """All concerts."""

    async def work(transaction: Transaction) -> list[ConcertView]:
        rows = await transaction.select(select(Concert).order_by(col(Concert.concert_id)))
        return [ConcertView(**row.model_dump()) for row in rows]

    return await runtime.requests.run(work)


@router.get("/concerts/{concert_id}/dates", tags=["catalogue"], responses=documented(HTTPStatus.NOT_FOUND))
async def dates(concert_id: CatalogueId, runtime: CurrentRuntime) -> list[DateView]:
    """The evenings of a concert."""
    query = select(ConcertDate).where(ConcertDate.concert_id == concert_id).order_by(col(ConcertDate.date_id))

    async def work(transaction: Transaction) -> list[DateView]:
        if await transaction.find_one(Concert, concert_id) is None:
            raise not_found("concert")
        return [
            DateView(**row.model_dump(exclude={"status"}), status=row.status.lower())
            for row in await transaction.select(query)
        ]

    return await runtime.requests.run(work)


@router.get("/dates/{date_id}/seats", tags=["catalogue"], responses=documented(HTTPStatus.NOT_FOUND))
async def seats(date_id: CatalogueId, runtime: CurrentRuntime) -> list[SeatView]:
    """The seats of an evening."""
    query = select(Seat).where(Seat.date_id == date_id).order_by(col(Seat.seat_id))

    async def work(transaction: Transaction) -> list[SeatView]:
        if await transaction.find_one(ConcertDate, date_id) is None:
            raise not_found("date")
        return [_view(row) for row in await transaction.select(query)]

    return await runtime.requests.run(work)


@router.post("/operations/seats/{seat_id}/withdraw", tags=["operations"], responses=OPERATIONS)
async def withdraw(seat_id: CatalogueId, operator_id: CurrentOperator, runtime: CurrentRuntime) -> SeatView:
    """Take a seat off sale, also while somebody holds it; a sold one cannot be."""

    async def work(transaction: Transaction) -> SeatView:
        row, date = await _lock(transaction, seat_id)
        if row.status != SeatStatus.WITHDRAWN:
            row.withdraw()
            date.count(-1)
        return _view(row)

    return await runtime.requests.run(work)


@router.post("/operations/seats/{seat_id}/return", tags=["operations"], responses=OPERATIONS)
async def put_back(seat_id: CatalogueId, operator_id: CurrentOperator, runtime: CurrentRuntime) -> SeatView:
    """Put a withdrawn seat back on sale, or back to whoever still holds it."""

    async def work(transaction: Transaction) -> SeatView:
        row, date = await _lock(transaction, seat_id)
        if row.status == SeatStatus.WITHDRAWN:
            row.put_back()
            date.count(1)
        return _view(row)

    return await runtime.requests.run(work)


async def _lock(transaction: Transaction, seat_id: int) -> tuple[Seat, ConcertDate]:
    """The seat and then its date, locked in the order in which the steps lock them."""
    row = await transaction.lock_one(Seat, seat_id)
    if row is None:
        raise not_found("seat")
    if row.status == SeatStatus.RESERVED:
        raise Problem(HTTPStatus.CONFLICT, "The seat is sold.", "seat-reserved")
    (date,) = await transaction.lock(ConcertDate, "date_id", [row.date_id])
    return row, date


def _view(row: Seat) -> SeatView:
    return SeatView(**row.model_dump(exclude={"status", "holder"}), status=row.status.lower())
