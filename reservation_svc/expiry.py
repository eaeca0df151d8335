"""The clock of the holds."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import col, select

from chassis.store import Database, Transaction
from reservation_svc.models import Reservation, Status
from reservation_svc.steps import expire

MAX_EXPIRED = 100
LONG = timedelta(minutes=5)
STUCK_BEFORE = timedelta(minutes=1)
"""What has been requested for longer makes no work for the steps"""


async def expire_due(database: Database) -> None:
    """Give up the holds whose time is up, and ask again about those that are not closed yet."""
    while await database.run(_expire_some) >= MAX_EXPIRED:
        pass


async def oldest_requested(transaction: Transaction) -> datetime | None:
    """Since when the oldest request for seats has no answer."""
    query = select(sa.func.min(Reservation.created_at)).where(Reservation.status == Status.REQUESTED)
    return (await transaction.execute(query)).scalar()


async def alarms(transaction: Transaction) -> list[str]:
    """What operators should look at: seats of holds that were over long ago, and that nobody has given back."""
    before = datetime.now(UTC) - LONG
    over = (Reservation.status == Status.EXPIRED, col(Reservation.expires_at) < before)
    kept = select(Reservation.seat_id).where(*over, col(Reservation.ask_at).is_not(None)).limit(MAX_EXPIRED).subquery()
    count = (await transaction.execute(select(sa.func.count()).select_from(kept))).scalar() or 0
    return [f"{count} seats of holds that are over for {LONG} are not given back"] if count else []


async def under_way(transaction: Transaction) -> int:
    """How many holds are requested that have begun not long ago."""
    recent = col(Reservation.created_at) > datetime.now(UTC) - STUCK_BEFORE
    query = select(sa.func.count(sa.distinct(col(Reservation.payment_id))))
    requested = query.where(Reservation.status == Status.REQUESTED, recent)
    return int((await transaction.execute(requested)).scalar_one())


async def _expire_some(transaction: Transaction) -> int:
    """Expire some of the holds that are due; returns how many that were.

    All rows of a hold are locked before they are judged, in the order in which a checkout locks them.
    """
    now = datetime.now(UTC)
    payment_ids = (await transaction.execute(_due(now))).scalars().all()
    rows = await transaction.lock(Reservation, "payment_id", payment_ids) if payment_ids else []
    outcomes = [expire([row for row in rows if row.payment_id == payment_id], now) for payment_id in payment_ids]
    for outcome in outcomes:
        transaction.apply(outcome)
    return sum(outcome is not None for outcome in outcomes)


def _due(now: datetime) -> sa.Executable:
    """Finds holds that are open too long and holds that nobody has answered, the oldest of each first."""
    hold, expires_at, ask_at = select(Reservation.payment_id), col(Reservation.expires_at), col(Reservation.ask_at)
    waiting = col(Reservation.status).in_((Status.REQUESTED, Status.EXPIRED))
    return sa.union(
        hold.where(Reservation.status == Status.TEMP, expires_at <= now).order_by(expires_at).limit(MAX_EXPIRED),
        hold.where(waiting, ask_at <= now).order_by(ask_at).limit(MAX_EXPIRED),
    )
