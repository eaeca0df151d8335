"""The REST interface of seat_svc."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Self

from fastapi import APIRouter
from pydantic import BaseModel
from sqlmodel import col, select

from chassis.store import Transaction
from chassis.web import (
    CurrentOperator,
    CurrentRuntime,
    IdempotencyKey,
    Keyed,
    Problem,
    documented,
    not_found,
    once,
)
from seat_svc.calling_off import OPERATIONS, CatalogueId, date_status
from seat_svc.calling_off import router as calling_off
from seat_svc.models import OPEN, Concert, ConcertDate, Seat, SeatStatus

router = APIRouter(responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY))
router.include_router(calling_off)
_EVENINGS = f"""
    SELECT date_id, concert_id, starts_at, called_off_at,
        (SELECT count(*) FROM seat WHERE seat.date_id = concert_date.date_id AND {OPEN}) AS open_seats
    FROM concert_date WHERE concert_id = ANY($1::int[]) ORDER BY concert_id, date_id
    """  # noqa: S608  # a condition of the models


class ConcertView(BaseModel):
    """A concert."""

    concert_id: int
    title: str


class DateView(BaseModel):
    """One evening of a concert; `status` is available, sold_out or called_off."""

    date_id: int
    concert_id: int
    starts_at: datetime
    status: str
    open_seats: int

    @classmethod
    def of(cls, evening: Mapping[str, Any]) -> Self:
        """An evening with its open seats."""
        return cls(**evening, status=date_status(evening))


class SeatView(BaseModel):
    """A seat; `status` is available, occupied, reserved or withdrawn.

    `revoked` is why nobody can keep it or have it, if so: one that is reserved is being given back then.
    """

    seat_id: int
    date_id: int
    label: str
    price: int
    status: str
    revoked: str | None = None


@dataclass(frozen=True)
class SeatRequest:
    """What operators ask for."""

    keyed: Keyed
    seat_id: int
    is_on_sale: bool
    """Whether it is to be on sale from now on"""


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
    return await runtime.requests.together(evenings, concert_id)


async def evenings(transaction: Transaction, concert_ids: Sequence[int]) -> list[list[DateView] | Problem]:
    """The evenings of some concerts, counted once, however many ask at this moment."""
    known = {row.concert_id for row in await transaction.find(Concert, "concert_id", set(concert_ids))}
    found: dict[int, list[DateView]] = {concert_id: [] for concert_id in known}
    for record in await transaction.fetch(_EVENINGS, list(known)):
        found[record["concert_id"]].append(DateView.of(record))
    return [found.get(concert_id, not_found("concert")) for concert_id in concert_ids]


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
async def withdraw(
    seat_id: CatalogueId, operator_id: CurrentOperator, key: IdempotencyKey, runtime: CurrentRuntime
) -> SeatView:
    """Take a seat off sale, also while somebody holds it; if it is sold, its payment is refunded."""
    asked = SeatRequest(Keyed(operator_id, key, f"withdraw {seat_id}"), seat_id, is_on_sale=False)
    return await runtime.requests.alone(put, asked)


@router.post("/operations/seats/{seat_id}/return", tags=["operations"], responses=OPERATIONS)
async def put_back(
    seat_id: CatalogueId, operator_id: CurrentOperator, key: IdempotencyKey, runtime: CurrentRuntime
) -> SeatView:
    """Put a withdrawn seat back on sale, or back to whoever still holds it or has bought it."""
    asked = SeatRequest(Keyed(operator_id, key, f"return {seat_id}"), seat_id, is_on_sale=True)
    return await runtime.requests.alone(put, asked)


async def put(transaction: Transaction, requests: Sequence[SeatRequest]) -> list[SeatView | Problem]:
    """Put seats on sale or off it, once for each key; the answers to all requests."""

    async def begin(fresh: Sequence[SeatRequest]) -> list[SeatView | Problem]:
        return [await _put(transaction, one) for one in fresh]

    return await once(transaction, requests, SeatView, begin)


async def _put(transaction: Transaction, asked: SeatRequest) -> SeatView | Problem:
    """Put a seat where it is to be, if it is not there."""
    row = await transaction.lock_one(Seat, asked.seat_id)
    if row is None:
        return not_found("seat")
    if not asked.is_on_sale:
        _withdraw(row, transaction.now())
    elif row.is_called_off:
        return Problem(HTTPStatus.CONFLICT, "The evening of the seat is called off.", "evening-called-off")
    else:
        _put_back(row)
    return _view(row)


def _withdraw(row: Seat, now: datetime) -> None:
    if row.status == SeatStatus.RESERVED and row.revoked is None:
        row.revoke(now)
    elif row.status in (SeatStatus.AVAILABLE, SeatStatus.OCCUPIED):
        row.withdraw()


def _put_back(row: Seat) -> None:
    if row.status == SeatStatus.RESERVED:
        row.unrevoke()
    elif row.status == SeatStatus.WITHDRAWN:
        row.put_back()


def _view(row: Seat) -> SeatView:
    return SeatView(**row.model_dump(exclude={"status", "holder"}), status=row.status.lower())
