"""The clock of the holds."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col, select

from chassis.store import Database, Transaction
from reservation_svc.models import Reservation, Status
from reservation_svc.steps import expire

MAX_EXPIRED = 100
STUCK_BEFORE = timedelta(minutes=1)
"""What has been requested for longer makes no work for the steps"""


async def expire_due(database: Database) -> None:
    """Expire the holds whose time is up, a bounded number in each transaction."""
    while await database.run(_expire_some) == MAX_EXPIRED:
        pass


async def oldest_requested(transaction: Transaction) -> datetime | None:
    """Since when the oldest request for seats has no answer."""
    query = select(sa.func.min(Reservation.created_at)).where(Reservation.status == Status.REQUESTED)
    return (await transaction.execute(query)).scalar()


async def under_way(transaction: Transaction) -> int:
    """How many holds are requested that have begun not long ago."""
    recent = col(Reservation.created_at) > datetime.now(UTC) - STUCK_BEFORE
    query = select(sa.func.count(sa.distinct(col(Reservation.payment_id))))
    requested = query.where(Reservation.status == Status.REQUESTED, recent)
    return int((await transaction.execute(requested)).scalar_one())


async def _expire_some(transaction: Transaction) -> int:
    """Expire up to `MAX_EXPIRED` holds; returns how many were due.

    All rows of a hold are locked before they are judged, in the order in which a checkout locks them.
    """
    now = datetime.now(UTC)
    due = select(Reservation.payment_id).where(Reservation.status == Status.TEMP, col(Reservation.expires_at) <= now)
    payment_ids = (await transaction.execute(due.distinct().limit(MAX_EXPIRED))).scalars().all()
    if not payment_ids:
        return 0
    rows = await transaction.lock(Reservation, "payment_id", payment_ids)
    for payment_id in payment_ids:
        transaction.apply(expire([row for row in rows if row.payment_id == payment_id], now))
    return len(payment_ids)
