"""The refunds of payment_svc over REST: asked for by whoever has bought, or by an operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from chassis import new_id
from chassis.run import Runtime
from chassis.store import Transaction
from chassis.web import (
    Claims,
    CurrentClaims,
    CurrentRuntime,
    IdempotencyKey,
    Keyed,
    PreferredWait,
    Problem,
    answered,
    documented,
    not_found,
    once,
)
from contracts.refund import Asker
from payment_svc.models import Checkout, CheckoutStatus, Payment, Refund, RefundStatus
from payment_svc.steps import give_back

refunds_router = APIRouter(tags=["refunds"])

CAUSES = {Asker.BUYER: "given-back", Asker.OPERATOR: "refunded-by-operator"}
"""Why somebody wants a refund, by who it is"""


class RefundState(BaseModel):
    """A refund; `status` is pending, completed or failed, the latter with a `reason`. `cause` is why it was begun."""

    refund_id: UUID
    checkout_id: UUID
    payment_id: UUID
    status: str
    cause: str
    reason: str | None
    amount: int
    created_at: datetime
    finished_at: datetime | None

    @property
    def location(self) -> str:
        """Where the refund is found."""
        return f"/refunds/{self.refund_id}"


@dataclass(frozen=True)
class RefundRequest:
    """What `POST /checkouts/{checkout_id}/refund` asks for."""

    keyed: Keyed
    checkout_id: UUID
    who: Claims


@refunds_router.post(
    "/checkouts/{checkout_id}/refund",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        200: {"model": RefundState, "description": "The outcome, where the client waited for it"},
        **documented(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    },
)
async def give_back_checkout(
    checkout_id: UUID,
    who: CurrentClaims,
    key: IdempotencyKey,
    runtime: CurrentRuntime,
    wait: PreferredWait,
    response: Response,
) -> RefundState:
    """Begin to give a completed checkout back. The answer comes at once; what becomes of it is under `Location`.

    Its buyer may until some time before the evening begins, an operator until it begins; later the refund fails.
    """
    asked = RefundRequest(Keyed(who.sub, key, f"refund {checkout_id}"), checkout_id, who)
    accepted = await runtime.requests.together(accept, asked)
    return await answered(response, accepted, wait, partial(_settled, runtime, accepted.refund_id, who))


@refunds_router.get("/refunds/{refund_id}", responses=documented(HTTPStatus.NOT_FOUND))
async def refund(refund_id: UUID, who: CurrentClaims, runtime: CurrentRuntime) -> RefundState:
    """How far a refund has come, for whoever has bought and for operators. A failed one is an answer like any other."""
    return await _find(runtime, refund_id, who)


async def accept(transaction: Transaction, requests: Sequence[RefundRequest]) -> list[RefundState | Problem]:
    """Lock the payments and begin the refunds, once for each key; the answers to all requests."""

    async def begin(fresh: Sequence[RefundRequest]) -> list[RefundState | Problem]:
        wanted = {one.checkout_id for one in fresh}
        attempts = {row.checkout_id: row for row in await transaction.find(Checkout, "checkout_id", wanted)}
        owing = {row.payment_id for row in attempts.values()}
        payments = {row.payment_id: row for row in await transaction.lock(Payment, "payment_id", owing)}
        return [_begin(transaction, one, attempts.get(one.checkout_id), payments) for one in fresh]

    return await once(transaction, requests, RefundState, begin)


def _begin(
    transaction: Transaction, asked: RefundRequest, attempt: Checkout | None, payments: dict[UUID, Payment]
) -> RefundState | Problem:
    """Begin to give a checkout back, if it has completed and nobody has begun before."""
    owed = payments.get(attempt.payment_id) if attempt else None
    if attempt is None or owed is None or not asked.who.speaks_for(attempt.user_id):
        return not_found("checkout")
    if attempt.status != CheckoutStatus.COMPLETED:
        return _conflict("checkout", attempt.status)
    if not owed.is_paid_by(attempt.checkout_id):
        return _conflict("payment", owed.status)
    asker = Asker.OPERATOR if asked.who.is_operator else Asker.BUYER
    begun = give_back(owed, new_id(), asker, CAUSES[asker], datetime.now(UTC))
    return _state(transaction.apply(begun, trace=asked.keyed.trace)[0])


def _conflict(what: str, status: str) -> Problem:
    return Problem(HTTPStatus.CONFLICT, f"The {what} is {status.lower()}.", f"{what}-{status.lower()}")


async def _find(runtime: Runtime, refund_id: UUID, who: Claims) -> RefundState:
    async def work(transaction: Transaction) -> Refund | None:
        return await transaction.find_one(Refund, refund_id)

    wanted = await runtime.requests.run(work)
    if wanted is None or not who.speaks_for(wanted.user_id):
        raise not_found("refund")
    return _state(wanted)


async def _settled(runtime: Runtime, refund_id: UUID, who: Claims, wait: int) -> RefundState | None:
    async def look() -> RefundState | None:
        state = await _find(runtime, refund_id, who)
        return state if state.status != RefundStatus.PENDING.lower() else None

    return await runtime.waiters.until(refund_id, look, wait)


def _state(wanted: Refund) -> RefundState:
    shown = wanted.model_dump(include=set(RefundState.model_fields))
    return RefundState.model_validate(shown | {"status": wanted.status.lower()})
