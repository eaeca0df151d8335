"""The clock of the checkouts: it asks about those that should have ended, and says so when nobody answers."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlmodel import col, select

from chassis.store import Database, Transaction
from contracts.event import OVERDUE_AFTER
from payment_svc.models import Checkout, CheckoutStatus
from payment_svc.steps import chase

MAX_CHASED = 25
"""How many at a time: replicas that look at the same moment share what is due in such portions"""


async def chase_due(database: Database) -> None:
    """Ask what has become of the checkouts whose deadline is past, less and less often while nobody answers."""
    while await database.run(_chase_some) >= MAX_CHASED:
        pass


async def oldest_pending(transaction: Transaction) -> datetime | None:
    """Since when the oldest checkout is pending."""
    query = select(sa.func.min(Checkout.created_at)).where(Checkout.status == CheckoutStatus.PENDING)
    return (await transaction.execute(query)).scalar()


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
    asked = [event for row in rows if (event := chase(row, now)) is not None]
    for event in asked:
        transaction.say(event)
    return len(asked)
