"""What operators do about payments that the external platform has refused for good."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

import sqlalchemy as sa
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
    recall,
)
from contracts import payment
from contracts.checkout import Completed
from payment_svc.models import Delivery, DeliveryStatus
from payment_svc.platform import NotUnderstoodError, Platform, PlatformUnavailableError
from payment_svc.steps import send

refusals_router = APIRouter(prefix="/operations/refused", tags=["operations"])

MAX_LISTED = 100
# As the index says it: what comes as an argument is not compared with the condition of an index.
_IS_REFUSED = sa.text("delivery.status = 'FAILED'")


class RefusedDelivery(BaseModel):
    """A payment that the platform has refused for good, why and when."""

    checkout_id: UUID
    payment_id: UUID
    reason: str | None
    at: datetime


class Sent(BaseModel):
    """What is remembered of a payment that the platform took in the end."""

    checkout_id: UUID


@dataclass(frozen=True)
class Answered:
    """A request to send again, and what the platform has said to it."""

    keyed: Keyed
    delivery: Delivery
    event: payment.Sent


@refusals_router.get("", responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
async def refused(operator_id: CurrentOperator, runtime: CurrentRuntime) -> list[RefusedDelivery]:
    """The payments that the platform has refused, the oldest first, at most a hundred."""
    query = select(Delivery).where(_IS_REFUSED).order_by(col(Delivery.delivered_at)).limit(MAX_LISTED)

    async def work(transaction: Transaction) -> list[RefusedDelivery]:
        rows = await transaction.select(query)
        return [RefusedDelivery(**row.model_dump(), at=row.delivered_at) for row in rows]

    return await runtime.requests.run(work)


@refusals_router.post(
    "/{checkout_id}/send",
    status_code=HTTPStatus.NO_CONTENT,
    responses=documented(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
async def send_again(
    checkout_id: UUID, operator_id: CurrentOperator, key: IdempotencyKey, runtime: CurrentRuntime
) -> None:
    """Tell the platform once more about a payment that it has refused; once it takes it, `payment.sent` is said.

    It may be asked for any number of times: the platform stores a delivery once, by its id.
    """
    keyed = Keyed(operator_id, key, f"send {checkout_id}")
    refused = await runtime.requests.run(_found(keyed, checkout_id))
    if refused is None:
        return
    try:
        event, answered = await send(refused, runtime.dependency(Platform))
    except PlatformUnavailableError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"Not sent: {error}.", "platform-unavailable") from error
    except NotUnderstoodError as error:
        raise Problem(HTTPStatus.BAD_GATEWAY, f"Not sent: {error}.", "platform-does-not-understand") from error
    if isinstance(event, payment.SendFailed):
        raise Problem(HTTPStatus.CONFLICT, f"The platform has refused it again: {event.reason}.", "refused-again")
    await runtime.requests.alone(note, Answered(keyed, answered, event))


async def note(transaction: Transaction, requests: Sequence[Answered]) -> list[Sent | Problem]:
    """Write down that the platform has taken payments, and say so, once for each; the answers to all requests."""

    async def begin(fresh: Sequence[Answered]) -> list[Sent | Problem]:
        return [await _note(transaction, one) for one in fresh]

    return await once(transaction, requests, Sent, begin)


async def _note(transaction: Transaction, asked: Answered) -> Sent:
    row = await transaction.lock_one(Delivery, asked.event.checkout_id)
    if row is not None and row.status == DeliveryStatus.FAILED:
        transaction.replace(asked.delivery)
        transaction.say(asked.event, trace=asked.keyed.trace)
    return Sent(checkout_id=asked.event.checkout_id)


async def count_refused(transaction: Transaction) -> list[str]:
    """What operators should look at, as an alarm."""
    count = await transaction.count(sa.select(col(Delivery.checkout_id)).where(_IS_REFUSED), MAX_LISTED)
    return [f"{count} payments were refused by the platform: GET /operations/refused"] if count else []


def _found(keyed: Keyed, checkout_id: UUID) -> Callable[[Transaction], Awaitable[Completed | None]]:
    """Looks for the event that the platform was not willing to be told of; None where this was done before.

    It raises a Problem where there is none.
    """

    async def work(transaction: Transaction) -> Completed | None:
        (known,) = await recall(transaction, [keyed])
        if isinstance(known, Problem):
            raise known
        if known is not None:
            return None
        row = await transaction.find_one(Delivery, checkout_id)
        if row is None or row.status != DeliveryStatus.FAILED or row.refused is None:
            raise not_found("refused delivery")
        return Completed.model_validate_json(row.refused)

    return work
