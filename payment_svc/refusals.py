"""What operators do about outcomes that the external platform has refused for good to be told of."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
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
from contracts import checkout, refund, reservation
from contracts.event import Event
from payment_svc.models import Delivery, DeliveryStatus, Notice
from payment_svc.notices import Webhook, announce, notify, send, tell
from payment_svc.platform import NotUnderstoodError, Platform, PlatformUnavailableError

refusals_router = APIRouter(prefix="/operations/refused", tags=["operations"])

MAX_LISTED = 100
# As the indexes say it: what comes as an argument is not compared with the condition of an index.
_IS_REFUSED = sa.text("delivery.status = 'FAILED'")
_IS_REFUSED_NOTICE = sa.text("notice.status = 'FAILED'")

Answer = Delivery | Notice


@dataclass(frozen=True)
class Kind:
    """A kind of webhook: the event that it is told of, and the effect that tells it."""

    event: type[Event]
    tell: Callable[[Any, Platform], Awaitable[tuple[Event, Answer]]]


KINDS: Mapping[str, Kind] = {
    Webhook.PAID: Kind(checkout.Completed, send),
    Webhook.REFUNDED: Kind(refund.Completed, tell),
    Webhook.FAILED: Kind(checkout.Failed, notify),
    Webhook.CLOSED: Kind(reservation.Closed, announce),
}
"""By the type of the webhook"""


class RefusedNotice(BaseModel):
    """What the platform has refused for good to be told of, as a webhook of which type, why and when.

    `checkout_id` is that of a payment; of others it is null.
    """

    notice_id: UUID
    kind: str
    checkout_id: UUID | None = None
    payment_id: UUID
    reason: str | None
    at: datetime


class Sent(BaseModel):
    """What is remembered of a notice that the platform took in the end."""

    notice_id: UUID


@dataclass(frozen=True)
class Answered:
    """A request to send again, and what the platform has said to it."""

    keyed: Keyed
    notice_id: UUID
    answer: Answer
    event: Event


@refusals_router.get("", responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
async def refused(operator_id: CurrentOperator, runtime: CurrentRuntime) -> list[RefusedNotice]:
    """What the platform has refused to be told of, the oldest first, at most a hundred."""
    payments = select(Delivery).where(_IS_REFUSED).order_by(col(Delivery.delivered_at)).limit(MAX_LISTED)
    others = select(Notice).where(_IS_REFUSED_NOTICE).order_by(col(Notice.at)).limit(MAX_LISTED)

    async def work(transaction: Transaction) -> list[RefusedNotice]:
        found = [_listed(row) for row in await transaction.select(payments)]
        found += [RefusedNotice(**row.model_dump()) for row in await transaction.select(others)]
        return sorted(found, key=lambda one: one.at)[:MAX_LISTED]

    return await runtime.requests.run(work)


@refusals_router.post(
    "/{notice_id}/send",
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
    notice_id: UUID, operator_id: CurrentOperator, key: IdempotencyKey, runtime: CurrentRuntime
) -> None:
    """Tell the platform once more what it has refused to be told of; once it takes it, that is said.

    It may be asked for any number of times: the platform stores a notice once, by its id.
    """
    keyed = Keyed(operator_id, key, f"send {notice_id}")
    refused = await runtime.requests.run(_found(keyed, notice_id))
    if refused is None:
        return
    kind, event = refused
    try:
        said, answer = await kind.tell(event, runtime.dependency(Platform))
    except PlatformUnavailableError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"Not sent: {error}.", "platform-unavailable") from error
    except NotUnderstoodError as error:
        raise Problem(HTTPStatus.BAD_GATEWAY, f"Not sent: {error}.", "platform-does-not-understand") from error
    if answer.status == DeliveryStatus.FAILED:
        raise Problem(HTTPStatus.CONFLICT, f"The platform has refused it again: {answer.reason}.", "refused-again")
    await runtime.requests.alone(note, Answered(keyed, notice_id, answer, said))


async def note(transaction: Transaction, requests: Sequence[Answered]) -> list[Sent | Problem]:
    """Write down what the platform has taken, and say so, once for each; the answers to all requests."""

    async def begin(fresh: Sequence[Answered]) -> list[Sent | Problem]:
        return [await _note(transaction, one) for one in fresh]

    return await once(transaction, requests, Sent, begin)


async def _note(transaction: Transaction, asked: Answered) -> Sent:
    row: Answer | None = await transaction.lock_one(type(asked.answer), asked.notice_id)
    if row is not None and row.status == DeliveryStatus.FAILED:
        transaction.replace(asked.answer)
        transaction.say(asked.event, trace=asked.keyed.trace)
    return Sent(notice_id=asked.notice_id)


async def count_refused(transaction: Transaction) -> list[str]:
    """What operators should look at, as an alarm."""
    payments = await transaction.count(sa.select(col(Delivery.checkout_id)).where(_IS_REFUSED), MAX_LISTED)
    others = await transaction.count(sa.select(col(Notice.notice_id)).where(_IS_REFUSED_NOTICE), MAX_LISTED)
    count = payments + others
    return [f"{count} notices were refused by the platform: GET /operations/refused"] if count else []


def _listed(row: Delivery) -> RefusedNotice:
    return RefusedNotice(**row.model_dump(), notice_id=row.checkout_id, kind=Webhook.PAID, at=row.delivered_at)


def _found(keyed: Keyed, notice_id: UUID) -> Callable[[Transaction], Awaitable[tuple[Kind, Event] | None]]:
    """Looks for the event that the platform was not willing to be told of; None where this was done before.

    It raises a Problem where there is none.
    """

    async def work(transaction: Transaction) -> tuple[Kind, Event] | None:
        (known,) = await recall(transaction, [keyed])
        if isinstance(known, Problem):
            raise known
        if known is not None:
            return None
        row: Answer | None = await transaction.find_one(Delivery, notice_id)
        row = row or await transaction.find_one(Notice, notice_id)
        if row is None or row.status != DeliveryStatus.FAILED or row.refused is None:
            raise not_found("refused notice")
        kind = KINDS[row.kind if isinstance(row, Notice) else Webhook.PAID]
        return kind, kind.event.model_validate_json(row.refused)

    return work
