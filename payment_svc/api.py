"""The REST interface of payment_svc."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

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
from payment_svc.models import Checkout, CheckoutStatus, Payment, PaymentStatus
from payment_svc.operations import operations_router
from payment_svc.progress import progress_router
from payment_svc.refunds import refunds_router
from payment_svc.refusals import refusals_router
from payment_svc.steps import request

router = APIRouter(responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY))


@dataclass(frozen=True)
class CheckoutPolicy:
    """How long a checkout may still move forward after its request."""

    lifetime: timedelta


class Order(BaseModel):
    """The payment to pay."""

    model_config = ConfigDict(extra="forbid")

    payment_id: UUID


class PaymentState(BaseModel):
    """A payment as its user sees it; `status` is in lower case."""

    payment_id: UUID
    status: str
    total_price: int
    paid_at: datetime | None


class CheckoutState(BaseModel):
    """A checkout as its user sees it; `status` is pending, completed or failed, the latter with a `reason`."""

    checkout_id: UUID
    payment_id: UUID
    status: str
    reason: str | None
    amount: int
    created_at: datetime
    finished_at: datetime | None

    @property
    def location(self) -> str:
        """Where the checkout is found."""
        return f"/checkouts/{self.checkout_id}"


@dataclass(frozen=True)
class CheckoutRequest:
    """What `POST /checkouts` asks for."""

    keyed: Keyed
    payment_id: UUID
    deadline: datetime


@router.get("/payments/{payment_id}", tags=["payments"], responses=documented(HTTPStatus.NOT_FOUND))
async def payment(payment_id: UUID, user_id: CurrentUser, runtime: CurrentRuntime) -> PaymentState:
    """What a hold costs and whether it is paid, or given back."""

    async def work(transaction: Transaction) -> Payment | None:
        return await transaction.find_one(Payment, payment_id)

    owed = await runtime.requests.run(work)
    if owed is None or owed.user_id != user_id:
        raise not_found("payment")
    return PaymentState(
        payment_id=payment_id, status=owed.status.lower(), total_price=owed.total_price, paid_at=owed.paid_at
    )


@router.post(
    "/checkouts",
    tags=["checkouts"],
    status_code=HTTPStatus.ACCEPTED,
    responses={
        200: {"model": CheckoutState, "description": "The outcome, where the client waited for it"},
        **documented(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    },
)
async def check_out(
    user_id: CurrentUser,
    order: Order,
    key: IdempotencyKey,
    runtime: CurrentRuntime,
    wait: PreferredWait,
    response: Response,
) -> CheckoutState:
    """Begin to pay. The answer comes at once; what becomes of it is found under `Location`."""
    deadline = datetime.now(UTC) + runtime.dependency(CheckoutPolicy).lifetime
    asked = CheckoutRequest(Keyed(user_id, key, order.model_dump_json()), order.payment_id, deadline)
    accepted = await runtime.requests.together(accept, asked)
    return await answered(response, accepted, wait, partial(_settled, runtime, accepted.checkout_id, user_id))


@router.get("/checkouts/{checkout_id}", tags=["checkouts"], responses=documented(HTTPStatus.NOT_FOUND))
async def checkout(checkout_id: UUID, user_id: CurrentUser, runtime: CurrentRuntime) -> CheckoutState:
    """How far a checkout has come. A failed one is an answer like any other."""
    return await _find(runtime, checkout_id, user_id)


router.include_router(refunds_router)
router.include_router(progress_router)
router.include_router(operations_router)
router.include_router(refusals_router)


async def accept(transaction: Transaction, requests: Sequence[CheckoutRequest]) -> list[CheckoutState | Problem]:
    """Lock the payments and begin the sagas, once for each key; the answers to all requests."""

    async def begin(fresh: Sequence[CheckoutRequest]) -> list[CheckoutState | Problem]:
        wanted = {one.payment_id for one in fresh}
        payments = {owed.payment_id: owed for owed in await transaction.lock(Payment, "payment_id", wanted)}
        return [_begin(transaction, one, payments.get(one.payment_id)) for one in fresh]

    return await once(transaction, requests, CheckoutState, begin)


def _begin(transaction: Transaction, asked: CheckoutRequest, owed: Payment | None) -> CheckoutState | Problem:
    """Begin to pay a payment, if it is the user's and nobody speaks for it."""
    if owed is None or owed.user_id != asked.keyed.user_id:
        return not_found("payment")
    if owed.status != PaymentStatus.PUBLISHED:
        return Problem(HTTPStatus.CONFLICT, f"The payment is {owed.status.lower()}.", f"payment-{owed.status.lower()}")
    begun = request(owed, new_id(), asked.deadline, datetime.now(UTC))
    return _state(transaction.apply(begun, trace=asked.keyed.trace)[0])


async def _find(runtime: Runtime, checkout_id: UUID, user_id: str) -> CheckoutState:
    async def work(transaction: Transaction) -> Checkout | None:
        return await transaction.find_one(Checkout, checkout_id)

    attempt = await runtime.requests.run(work)
    if attempt is None or attempt.user_id != user_id:
        raise not_found("checkout")
    return _state(attempt)


async def _settled(runtime: Runtime, checkout_id: UUID, user_id: str, wait: int) -> CheckoutState | None:
    async def look() -> CheckoutState | None:
        state = await _find(runtime, checkout_id, user_id)
        return state if state.status != CheckoutStatus.PENDING.lower() else None

    return await runtime.waiters.until(checkout_id, look, wait)


def _state(attempt: Checkout) -> CheckoutState:
    shown = attempt.model_dump(include=set(CheckoutState.model_fields))
    return CheckoutState.model_validate(shown | {"status": attempt.status.lower()})
