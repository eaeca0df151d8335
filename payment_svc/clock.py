"""The clock of the sagas: it asks about those that should have ended, and says so when nobody answers."""

from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlmodel import col, select

from chassis.store import Database, Transaction
from contracts.event import OVERDUE_AFTER, Event
from payment_svc.models import Checkout, CheckoutStatus, Refund, RefundStatus
from payment_svc.steps import chase, chase_refund

MAX_CHASED = 25
"""How many at a time: replicas that look at the same moment share what is due in such portions"""

_OLDEST = """
    SELECT least(
        (SELECT min(created_at) FROM checkout WHERE status = 'PENDING'),
        (SELECT min(created_at) FROM refund WHERE status = 'PENDING')
    ) AS oldest
    """


async def chase_due(database: Database) -> None:
    """Ask what has become of the checkouts whose deadline is past, less and less often while nobody answers."""
    while await database.run(_chase_some) >= MAX_CHASED:
        pass


async def chase_due_refunds(database: Database) -> None:
    """Ask what has become of the refunds that should have ended, less and less often while nobody answers."""
    while await database.run(_chase_some_refunds) >= MAX_CHASED:
        pass


async def oldest_pending(transaction: Transaction) -> datetime | None:
    """Since when the oldest checkout or refund is pending."""
    (record,) = await transaction.fetch(_OLDEST)
    oldest: datetime | None = record["oldest"]
    return oldest


async def _chase_some(transaction: Transaction) -> int:
    """Chase some of the checkouts that are due; returns how many that were.

    Those that somebody else has locked are left out, so replicas that look at the same time find different ones.
    """
    now = datetime.now(UTC)
    ask_at = col(Checkout.ask_at)
    due = (
        select(Checkout.checkout_id)
        .where(Checkout.status == CheckoutStatus.PENDING, col(Checkout.deadline) <= now - OVERDUE_AFTER)
        .where(sa.or_(ask_at.is_(None), ask_at <= now))
        .order_by(col(Checkout.deadline))
        .limit(MAX_CHASED)
        .with_for_update(skip_locked=True)
    )
    checkout_ids = (await transaction.execute(due)).scalars().all()
    rows = await transaction.lock(Checkout, "checkout_id", checkout_ids) if checkout_ids else []
    return _say(transaction, (chase(row, now) for row in rows))


async def _chase_some_refunds(transaction: Transaction) -> int:
    """The same for refunds."""
    now = datetime.now(UTC)
    due = (
        select(Refund.refund_id)
        .where(Refund.status == RefundStatus.PENDING, col(Refund.ask_at) <= now)
        .order_by(col(Refund.ask_at))
        .limit(MAX_CHASED)
        .with_for_update(skip_locked=True)
    )
    refund_ids = (await transaction.execute(due)).scalars().all()
    rows = await transaction.lock(Refund, "refund_id", refund_ids) if refund_ids else []
    return _say(transaction, (chase_refund(row, now) for row in rows))


def _say(transaction: Transaction, asked: Iterable[Event | None]) -> int:
    """Ask what there is to ask; returns how many that were."""
    events = [event for event in asked if event is not None]
    for event in events:
        transaction.say(event)
    return len(events)
