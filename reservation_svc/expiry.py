"""The clock of the holds."""

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import col

from chassis.store import Database, Transaction
from reservation_svc.models import Reservation
from reservation_svc.steps import expire

MAX_EXPIRED = 100

# As the indexes say it: what comes as an argument is not compared with the condition of an index.
_IS_HELD = sa.text("reservation.status = 'TEMP'")
_IS_REQUESTED = sa.text("reservation.status = 'REQUESTED'")


async def expire_due(database: Database) -> None:
    """Expire the holds whose time is up, a bounded number in each transaction."""
    while await database.run(_expire_some) == MAX_EXPIRED:
        pass


async def oldest_requested(transaction: Transaction) -> datetime | None:
    """Since when the oldest request for seats has no answer."""
    query = sa.select(sa.func.min(Reservation.created_at)).where(_IS_REQUESTED)
    return (await transaction.execute(query)).scalar()


def due(now: datetime) -> sa.Select[tuple[UUID]]:
    """The holds whose time is up, the longest first, without those that somebody else has locked.

    Whoever locks a hold locks its rows in the order of their key. So the first row stands for the hold: who has it will
    get the others without waiting, and replicas that look at the same time find different holds.
    """
    earlier = aliased(Reservation)
    is_first = ~sa.exists().where(
        col(earlier.payment_id) == Reservation.payment_id,
        col(earlier.reservation_id) < Reservation.reservation_id,
    )
    return (
        sa.select(col(Reservation.payment_id))
        .where(_IS_HELD, col(Reservation.expires_at) <= now, is_first)
        .order_by(col(Reservation.expires_at))
        .limit(MAX_EXPIRED)
        .with_for_update(of=Reservation, skip_locked=True)
    )


async def _expire_some(transaction: Transaction) -> int:
    """Expire up to `MAX_EXPIRED` holds; returns how many were due.

    All rows of a hold are locked before they are judged, in the order in which a checkout locks them.
    """
    now = datetime.now(UTC)
    payment_ids = (await transaction.execute(due(now))).scalars().all()
    if not payment_ids:
        return 0
    rows = await transaction.lock(Reservation, "payment_id", payment_ids)
    for payment_id in payment_ids:
        transaction.apply(expire([row for row in rows if row.payment_id == payment_id], now))
    return len(payment_ids)
