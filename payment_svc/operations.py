"""What operators ask of payment_svc: which checkouts take too long, and what they wait for."""

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
from contracts import checkout
from payment_svc.models import Checkout, CheckoutStatus
from payment_svc.refusals import count_refused
from payment_svc.steps import service

operations_router = APIRouter(prefix="/operations", tags=["operations"])

MAX_LISTED = 100


@dataclass(frozen=True)
class StuckPolicy:
    """After how long a pending checkout counts as stuck."""

    after: timedelta


class StuckCheckout(BaseModel):
    """A checkout that should have ended: what this service did last, and which events it may hear next.

    `asks_at` is when the clock asks seat_svc again; null as long as it has not asked at all.
    """

    checkout_id: UUID
    payment_id: UUID
    user_id: str
    since: datetime
    asks_at: datetime | None
    last_step: str
    waits_for: list[str]


@operations_router.get("/stuck", responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
async def stuck(operator_id: CurrentOperator, runtime: CurrentRuntime) -> list[StuckCheckout]:
    """The checkouts that are pending longer than they should, the oldest first, at most a hundred."""
    query = select(Checkout).where(*_is_stuck(runtime.dependency(StuckPolicy)))

    async def work(transaction: Transaction) -> list[StuckCheckout]:
        rows = await transaction.select(query.order_by(col(Checkout.created_at)).limit(MAX_LISTED))
        return [await _describe(transaction, row) for row in rows]

    return await runtime.requests.run(work)


async def alarms(transaction: Transaction, policy: StuckPolicy) -> list[str]:
    """What operators should look at."""
    count = await transaction.count(sa.select(col(Checkout.checkout_id)).where(*_is_stuck(policy)), MAX_LISTED)
    seconds = policy.after.total_seconds()
    pending = [f"{count} checkouts are pending for more than {seconds:g} s: GET /operations/stuck"] if count else []
    return pending + await count_refused(transaction)


def _is_stuck(policy: StuckPolicy) -> tuple[sa.ColumnElement[bool], ...]:
    before = datetime.now(UTC) - policy.after
    return col(Checkout.status) == CheckoutStatus.PENDING, col(Checkout.created_at) < before


async def under_way(transaction: Transaction) -> int:
    """How many checkouts are pending that have begun not long ago."""
    since = datetime.now(UTC) - STUCK_AFTER
    query = select(sa.func.count()).where(Checkout.status == CheckoutStatus.PENDING, Checkout.created_at > since)
    return int((await transaction.execute(query)).scalar_one())


async def _describe(transaction: Transaction, row: Checkout) -> StuckCheckout:
    heard = await transaction.heard(row.checkout_id)
    last = heard[-1].step if heard else None
    return StuckCheckout(
        checkout_id=row.checkout_id,
        payment_id=row.payment_id,
        user_id=row.user_id,
        since=row.created_at,
        asks_at=row.ask_at,
        last_step=last or f"{service.name}.request",
        waits_for=awaited(service.name, _said(last)),
    )


def _said(last_step: str | None) -> list[str]:
    """What this service may have said last in a checkout."""
    steps = [step for step in service.steps if step.queue == last_step]
    return [event.name for step in steps for event in step.says] or [checkout.Requested.name]
