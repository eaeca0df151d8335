"""The clock of the holds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, aliased
from sqlmodel import col

from chassis.run import STUCK_AFTER
from chassis.store import Database, Transaction
from reservation_svc.models import Reservation
from reservation_svc.steps import expire

MAX_EXPIRED = 25
"""How many at a time: replicas that look at the same moment share what is due in such portions"""
MAX_COUNTED = 100
LONG = timedelta(minutes=5)

# As the indexes say it: what comes as an argument is not compared with the condition of an index.
_IS_HELD = sa.text("reservation.status = 'TEMP'")
_IS_REQUESTED = sa.text("reservation.status = 'REQUESTED'")
_IS_UNANSWERED = sa.text(
    "reservation.ask_at IS NOT NULL AND reservation.status IN ('REQUESTED', 'EXPIRED', 'CANCELLED')"
)


async def expire_due(database: Database) -> None:
    """Give up the holds whose time is up, and ask again about those that are not closed yet."""
    while await database.run(_expire_some) >= MAX_EXPIRED:
        pass


async def oldest_requested(transaction: Transaction) -> datetime | None:
    """Since when the oldest request for seats has no answer."""
    query = sa.select(sa.func.min(Reservation.created_at)).where(_IS_REQUESTED)
    return (await transaction.execute(query)).scalar()


async def alarms(transaction: Transaction) -> list[str]:
    """What operators should look at: seats of holds that were over long ago, and that nobody has given back."""
    before = datetime.now(UTC) - LONG
    is_over = (sa.text("reservation.status IN ('EXPIRED', 'CANCELLED')"), col(Reservation.expires_at) < before)
    kept = sa.select(col(Reservation.seat_id)).where(*is_over, _IS_UNANSWERED)
    count = await transaction.count(kept, MAX_COUNTED)
    return [f"{count} seats of holds that are over for {LONG} are not given back"] if count else []


async def under_way(transaction: Transaction) -> int:
    """How many holds are requested that have begun not long ago."""
    recent = col(Reservation.created_at) > datetime.now(UTC) - STUCK_AFTER
    query = sa.select(sa.func.count(sa.distinct(col(Reservation.payment_id)))).where(_IS_REQUESTED, recent)
    return int((await transaction.execute(query)).scalar_one())


async def _expire_some(transaction: Transaction) -> int:
    """Expire some of the holds that are due; returns how many that were.

    All rows of a hold are locked before they are judged, in the order in which a checkout locks them.
    """
    now = datetime.now(UTC)
    found = [(await transaction.execute(query)).scalars().all() for query in due(now)]
    payment_ids = list(dict.fromkeys(payment_id for some in found for payment_id in some))
    rows = await transaction.lock(Reservation, "payment_id", payment_ids) if payment_ids else []
    outcomes = [expire([row for row in rows if row.payment_id == payment_id], now) for payment_id in payment_ids]
    for outcome in outcomes:
        transaction.apply(outcome)
    return sum(outcome is not None for outcome in outcomes)


def due(now: datetime) -> tuple[sa.Select[Any], ...]:
    """Finds holds that are open too long, and holds that nobody has answered, the longest waiting of each first.

    Those that somebody else has locked are left out. Whoever locks a hold locks its rows in the order of their key. So
    the first row stands for the hold: who has it will get the others without waiting, and replicas that look at the
    same time find different holds.
    """
    return _due(_IS_HELD, col(Reservation.expires_at), now), _due(_IS_UNANSWERED, col(Reservation.ask_at), now)


def _due(state: sa.TextClause, moment: Mapped[Any], now: datetime) -> sa.Select[Any]:
    earlier = aliased(Reservation)
    is_first = ~sa.exists().where(
        col(earlier.payment_id) == Reservation.payment_id,
        col(earlier.reservation_id) < Reservation.reservation_id,
    )
    return (
        sa.select(col(Reservation.payment_id))
        .where(state, moment <= now, is_first)
        .order_by(moment)
        .limit(MAX_EXPIRED)
        .with_for_update(of=Reservation, skip_locked=True)
    )
