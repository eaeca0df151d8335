"""Playing: the routes on which somebody is a fan, or many."""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from chassis.web.problem import Problem, documented
from contracts.event import SeatId, UserId
from stack.stage.crowd import MAX_FANS, Rush
from stack.stage.judge import Invariant
from stack.stage.props import OperatorsProps
from stack.stage.services import environment
from stack.stage.tables import Tables
from stack.stage.view import View, look

router = APIRouter(
    tags=["playing"],
    responses=documented(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.GATEWAY_TIMEOUT
    ),
)

Fan = Annotated[UserId, Path()]
MAX_SEATS = 10
_WAIT = 5


class Asked(BaseModel):
    """The body of a request: nothing besides what is named."""

    model_config = ConfigDict(extra="forbid")


class Charge(Asked):
    """Points to put into the wallet."""

    amount: int = Field(ge=1, le=1_000_000_000)


class Wish(Asked):
    """Seats to hold."""

    seat_ids: list[SeatId] = Field(min_length=1, max_length=MAX_SEATS)


class Order(Asked):
    """The hold to pay for, by its payment."""

    payment_id: UUID


class Return(Asked):
    """The completed checkout to take back."""

    checkout_id: UUID


class Gathering(Asked):
    """Fans who all want one seat."""

    seat_id: SeatId
    fans: int = Field(default=MAX_FANS, ge=2, le=MAX_FANS)


class Wallet(BaseModel):
    """What a wallet holds now."""

    balance: int


@router.get("/view", responses=documented(HTTPStatus.NOT_FOUND))
async def view(
    props: OperatorsProps,
    fan: Annotated[UserId, Query()],
    date_id: Annotated[int, Query(ge=1, le=2**31 - 1)] = 1,
    page: Annotated[int, Query(ge=0, le=100)] = 0,
) -> View:
    """A fan's wallet, holds and checkouts, some seats of a date as the fan sees them, and what is broken."""
    async with Tables.of(environment(props.directory)) as tables:
        seen = await look(tables, fan, date_id, page, props.fans.remembered.of(fan))
    return seen.model_copy(update={"processes": props.processes.all(), "platform": await _platform(props)})


@router.post("/fans/{fan}/charge")
async def charge(fan: Fan, body: Charge, props: OperatorsProps) -> Wallet:
    """Put points into the wallet of a fan."""
    return Wallet(balance=await props.fans.charge(fan, body.amount))


@router.post("/fans/{fan}/hold", responses=documented(HTTPStatus.CONFLICT))
async def hold(fan: Fan, body: Wish, props: OperatorsProps) -> dict[str, Any]:
    """Hold seats for a fan; the reservation as reservation_svc shows it, some seconds later at most."""
    return await props.fans.hold(fan, body.seat_ids, _WAIT)


@router.post("/fans/{fan}/pay", responses=documented(HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND))
async def pay(fan: Fan, body: Order, props: OperatorsProps) -> dict[str, Any]:
    """Begin to pay for a hold; the checkout as payment_svc shows it, which goes on."""
    return await props.fans.pay(fan, body.payment_id)


@router.delete("/fans/{fan}/holds/{payment_id}", responses=documented(HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND))
async def give_back(fan: Fan, payment_id: UUID, props: OperatorsProps) -> dict[str, Any]:
    """Give back a hold that is not paid; the reservation as reservation_svc shows it, which is on its way back."""
    return await props.fans.give_back(fan, payment_id)


@router.post("/fans/{fan}/refund", responses=documented(HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND))
async def refund(fan: Fan, body: Return, props: OperatorsProps) -> dict[str, Any]:
    """Begin to take back a completed checkout; the refund as payment_svc shows it, which goes on."""
    return await props.fans.refund(fan, body.checkout_id)


@router.post("/crowd", responses=documented(HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND))
async def rush(body: Gathering, props: OperatorsProps) -> Rush:
    """Have many new fans charge, hold and pay for the same seat at once; who got it."""
    async with Tables.of(environment(props.directory)) as tables:
        seat = await tables.seat(body.seat_id)
    if seat["status"] != "AVAILABLE":
        raise Problem(HTTPStatus.CONFLICT, "Nobody could get this seat: choose one that is available.", "seat-taken")
    return await props.crowd.rush(body.seat_id, seat["price"], body.fans)


@router.get("/invariants")
async def invariants(props: OperatorsProps) -> list[Invariant]:
    """What must hold whenever nothing is under way, as the databases, the broker and the platform say."""
    return await props.judge.judge()


async def _platform(props: OperatorsProps) -> str:
    """How the platform fails, `well` if it does not, `gone` if it does not answer."""
    try:
        failures = await props.services.ask("GET", "platform", "/failures")
    except Problem:
        return "gone"
    return str(failures["mode"]) if failures else "well"
