"""The REST interface of reservation_svc."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlmodel import col, select

from chassis import new_id
from chassis.run import Runtime
from chassis.store import Transaction
from chassis.web import (
    CurrentRuntime,
    CurrentUser,
    IdempotencyKey,
    Keyed,
    PreferredWait,
    Problem,
    answered,
    documented,
    not_found,
    once,
)
from contracts.event import SeatId
from reservation_svc.models import Reservation, Status
from reservation_svc.quota import Quota, held
from reservation_svc.steps import HoldPolicy, give_up, request

router = APIRouter(
    prefix="/reservations",
    tags=["reservations"],
    responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY),
)

MAX_SEATS = 10


def _distinct(seat_ids: list[int]) -> list[int]:
    if len(set(seat_ids)) != len(seat_ids):
        raise ValueError("a seat is asked for twice")
    return seat_ids


_SEVERAL = Field(min_length=1, max_length=MAX_SEATS, json_schema_extra={"uniqueItems": True})


class Wish(BaseModel):
    """The seats that a user wants to hold, all or none."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seat_ids: Annotated[list[SeatId], _SEVERAL, AfterValidator(_distinct)]


class Seat(BaseModel):
    """A seat of the reservation; its price is known once the seat is held."""

    seat_id: int
    price: int | None


class ReservationState(BaseModel):
    """A reservation as its user sees it; `status` is in lower case."""

    payment_id: UUID
    status: str
    expires_at: datetime | None
    reason: str | None
    seats: list[Seat]

    @property
    def location(self) -> str:
        """Where the reservation is found."""
        return f"/reservations/{self.payment_id}"


@dataclass(frozen=True)
class HoldRequest:
    """What `POST /reservations` asks for."""

    keyed: Keyed
    seat_ids: Sequence[int]
    deadline: datetime
    quota: Quota


@dataclass(frozen=True)
class GiveBackRequest:
    """What `DELETE /reservations/{payment_id}` asks for."""

    user_id: str
    payment_id: UUID


@dataclass(frozen=True)
class GivenBack:
    """A hold that is on its way back, or closed."""

    state: ReservationState
    is_closed: bool


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        200: {"model": ReservationState, "description": "The outcome, where the client waited for it"},
        **documented(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT),
    },
)
async def reserve(
    wish: Wish,
    user_id: CurrentUser,
    key: IdempotencyKey,
    runtime: CurrentRuntime,
    wait: PreferredWait,
    response: Response,
) -> ReservationState:
    """Ask for seats, once for each key. The answer comes at once; what becomes of it is found under `Location`."""
    deadline = datetime.now(UTC) + runtime.dependency(HoldPolicy).patience
    asked = HoldRequest(Keyed(user_id, key, wish.model_dump_json()), wish.seat_ids, deadline, runtime.dependency(Quota))
    accepted = await runtime.requests.together(accept, asked)
    return await answered(response, accepted, wait, partial(_settled, runtime, accepted.payment_id, user_id))


@router.get("/{payment_id}", responses=documented(HTTPStatus.NOT_FOUND))
async def reservation(payment_id: UUID, user_id: CurrentUser, runtime: CurrentRuntime) -> ReservationState:
    """How far a reservation has come."""
    return await _find(runtime, payment_id, user_id)


@router.delete(
    "/{payment_id}",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        200: {"model": ReservationState, "description": "Nothing of the hold is left"},
        **documented(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    },
)
async def give_back(
    payment_id: UUID, user_id: CurrentUser, runtime: CurrentRuntime, response: Response
) -> ReservationState:
    """Give back a hold that is not paid. Ask again: 202 while it is on its way back, 200 when it is closed."""
    given = await runtime.requests.together(give_back_holds, GiveBackRequest(user_id, payment_id))
    response.headers["Location"] = given.state.location
    if given.is_closed:
        response.status_code = HTTPStatus.OK
    else:
        response.headers["Retry-After"] = "1"
    return given.state


async def accept(transaction: Transaction, requests: Sequence[HoldRequest]) -> list[ReservationState | Problem]:
    """Begin the sagas, once for each key; the answers to all requests."""

    async def begin(fresh: Sequence[HoldRequest]) -> list[ReservationState | Problem]:
        if not fresh:
            return []
        counted = await held(transaction, fresh[0].quota, [one.keyed.user_id for one in fresh])
        return [counted.refusal(one.keyed.user_id, len(one.seat_ids)) or _begin(transaction, one) for one in fresh]

    return await once(transaction, requests, ReservationState, begin)


def _begin(transaction: Transaction, asked: HoldRequest) -> ReservationState:
    begun = request(new_id(), asked.keyed.user_id, asked.seat_ids, asked.deadline)
    return _state(transaction.apply(begun, trace=asked.keyed.trace))


async def give_back_holds(transaction: Transaction, requests: Sequence[GiveBackRequest]) -> list[GivenBack | Problem]:
    """Begin the way back of holds, once for each; the answers to all requests."""
    rows = await transaction.lock(Reservation, "payment_id", {one.payment_id for one in requests})
    return [_give_back(transaction, one, [row for row in rows if row.payment_id == one.payment_id]) for one in requests]


def _give_back(transaction: Transaction, asked: GiveBackRequest, rows: list[Reservation]) -> GivenBack | Problem:
    if not rows or rows[0].user_id != asked.user_id:
        return not_found("reservation")
    if any(row.status == Status.CONFIRMED for row in rows):
        detail = f"Checkout {rows[0].checkout_id} has the seats. Once it is completed, refund it instead."
        return Problem(HTTPStatus.CONFLICT, detail, "reservation-confirmed")
    transaction.apply(give_up(rows, transaction.now()))
    return GivenBack(_state(rows), all(row.is_closed for row in rows))


async def _find(runtime: Runtime, payment_id: UUID, user_id: str) -> ReservationState:
    query = select(Reservation).where(Reservation.payment_id == payment_id, Reservation.user_id == user_id)

    async def work(transaction: Transaction) -> list[Reservation]:
        return await transaction.select(query.order_by(col(Reservation.reservation_id)))

    rows = await runtime.requests.run(work)
    if not rows:
        raise not_found("reservation")
    return _state(rows)


async def _settled(runtime: Runtime, payment_id: UUID, user_id: str, wait: int) -> ReservationState | None:
    async def look() -> ReservationState | None:
        state = await _find(runtime, payment_id, user_id)
        return state if state.status != Status.REQUESTED.lower() else None

    return await runtime.waiters.until(payment_id, look, wait)


def _state(rows: list[Reservation]) -> ReservationState:
    first = rows[0]
    return ReservationState(
        payment_id=first.payment_id,
        status=first.status.lower(),
        expires_at=first.expires_at,
        reason=first.reason,
        seats=[Seat(seat_id=row.seat_id, price=row.price) for row in rows],
    )
