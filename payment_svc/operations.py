"""What operators ask of payment_svc: which checkouts and refunds take too long, and what they wait for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from uuid import UUID

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import BaseModel
from sqlmodel import col, select

from chassis import awaited
from chassis.run import STUCK_AFTER
from chassis.store import Transaction
from chassis.web import CurrentOperator, CurrentRuntime, documented
from contracts import checkout, refund
from payment_svc.models import Checkout, CheckoutStatus, Refund, RefundStatus
from payment_svc.refusals import count_refused
from payment_svc.steps import give_back, request, service

operations_router = APIRouter(prefix="/operations", tags=["operations"])

MAX_LISTED = 100


@dataclass(frozen=True)
class StuckPolicy:
    """After how long a pending checkout or refund counts as stuck."""

    after: timedelta


class Stuck(BaseModel):
    """A checkout, or the refund of one, that should have ended.

    It says what this service did last, and which events it may hear next. `refund_id` is null for a checkout.
    `asks_at` is when the clock asks seat_svc again; null as long as it has not asked at all about a checkout.
    """

    checkout_id: UUID
    refund_id: UUID | None
    payment_id: UUID
    user_id: str
    since: datetime
    asks_at: datetime | None
    last_step: str
    waits_for: list[str]


@operations_router.get("/stuck", responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
async def stuck(operator_id: CurrentOperator, runtime: CurrentRuntime) -> list[Stuck]:
    """The checkouts and refunds that are pending longer than they should, the oldest first, at most a hundred."""
    policy = runtime.dependency(StuckPolicy)
    checkouts = select(Checkout).where(*_is_stuck(policy)).order_by(col(Checkout.created_at)).limit(MAX_LISTED)
    refunds = select(Refund).where(*_is_stuck_refund(policy)).order_by(col(Refund.created_at)).limit(MAX_LISTED)

    async def work(transaction: Transaction) -> list[Stuck]:
        found: list[Checkout | Refund] = [*await transaction.select(checkouts), *await transaction.select(refunds)]
        oldest = sorted(found, key=lambda row: row.created_at)[:MAX_LISTED]
        return [await _describe(transaction, row) for row in oldest]

    return await runtime.requests.run(work)


async def alarms(transaction: Transaction, policy: StuckPolicy) -> list[str]:
    """What operators should look at."""
    checkouts = sa.select(col(Checkout.checkout_id)).where(*_is_stuck(policy))
    refunds = sa.select(col(Refund.refund_id)).where(*_is_stuck_refund(policy))
    seconds = policy.after.total_seconds()
    counts = {
        "checkouts": await transaction.count(checkouts, MAX_LISTED),
        "refunds": await transaction.count(refunds, MAX_LISTED),
    }
    pending = [
        f"{count} {what} are pending for more than {seconds:g} s: GET /operations/stuck"
        for what, count in counts.items()
        if count
    ]
    return pending + await count_refused(transaction)


def _is_stuck(policy: StuckPolicy) -> tuple[sa.ColumnElement[bool], ...]:
    before = datetime.now(UTC) - policy.after
    return col(Checkout.status) == CheckoutStatus.PENDING, col(Checkout.created_at) < before


def _is_stuck_refund(policy: StuckPolicy) -> tuple[sa.ColumnElement[bool], ...]:
    before = datetime.now(UTC) - policy.after
    return col(Refund.status) == RefundStatus.PENDING, col(Refund.created_at) < before


async def under_way(transaction: Transaction) -> int:
    """How many checkouts are pending that have begun not long ago.

    Refunds are not counted: when an evening is called off, thousands are under way, at the pace of who calls it off,
    and other evenings go on being sold.
    """
    since = datetime.now(UTC) - STUCK_AFTER
    query = select(sa.func.count()).where(Checkout.status == CheckoutStatus.PENDING, Checkout.created_at > since)
    return int((await transaction.execute(query)).scalar_one())


async def _describe(transaction: Transaction, row: Checkout | Refund) -> Stuck:
    refund_id = row.refund_id if isinstance(row, Refund) else None
    start, begun = (request, checkout.Requested) if refund_id is None else (give_back, refund.Requested)
    heard = await transaction.heard(refund_id or row.checkout_id)
    last = heard[-1].step if heard else None
    return Stuck(
        checkout_id=row.checkout_id,
        refund_id=refund_id,
        payment_id=row.payment_id,
        user_id=row.user_id,
        since=row.created_at,
        asks_at=row.ask_at,
        last_step=last or service.declared(start).queue,
        waits_for=awaited(service.name, _said(last) or [begun.name]),
    )


def _said(last_step: str | None) -> list[str]:
    """What this service may have said last in a saga, with this step."""
    return [event.name for step in service.steps if step.queue == last_step for event in step.says]
