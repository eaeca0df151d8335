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
from chassis.store import Transaction
from chassis.web import CurrentOperator, CurrentRuntime, documented
from contracts import checkout
from payment_svc.models import Checkout, CheckoutStatus
from payment_svc.steps import service

operations_router = APIRouter(prefix="/operations", tags=["operations"])

MAX_LISTED = 100
STUCK_BEFORE = timedelta(minutes=1)
"""What has been pending for longer makes no work for the steps"""


@dataclass(frozen=True)
class StuckPolicy:
    """After how long a pending checkout counts as stuck."""

    after: timedelta


class StuckCheckout(BaseModel):
    """A checkout that should have ended: what this service did last, and which events it may hear next."""

    checkout_id: UUID
    payment_id: UUID
    user_id: str
    since: datetime
    last_step: str
    waits_for: list[str]


@operations_router.get("/stuck", responses=documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
async def stuck(operator_id: CurrentOperator, runtime: CurrentRuntime) -> list[StuckCheckout]:
    """The checkouts that are pending longer than they should, the oldest first, at most a hundred."""
    before = datetime.now(UTC) - runtime.dependency(StuckPolicy).after
    query = select(Checkout).where(Checkout.status == CheckoutStatus.PENDING, Checkout.created_at < before)

    async def work(transaction: Transaction) -> list[StuckCheckout]:
        rows = await transaction.select(query.order_by(col(Checkout.created_at)).limit(MAX_LISTED))
        return [await _describe(transaction, row) for row in rows]

    return await runtime.requests.run(work)


async def oldest_pending(transaction: Transaction) -> datetime | None:
    """Since when the oldest checkout is pending."""
    query = select(sa.func.min(Checkout.created_at)).where(Checkout.status == CheckoutStatus.PENDING)
    return (await transaction.execute(query)).scalar()


async def under_way(transaction: Transaction) -> int:
    """How many checkouts are pending that have begun not long ago."""
    since = datetime.now(UTC) - STUCK_BEFORE
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
        last_step=last or f"{service.name}.request",
        waits_for=awaited(service.name, _said(last)),
    )


def _said(last_step: str | None) -> list[str]:
    """What this service may have said last in a checkout."""
    steps = [step for step in service.steps if step.queue == last_step]
    return [event.name for step in steps for event in step.says] or [checkout.Requested.name]
