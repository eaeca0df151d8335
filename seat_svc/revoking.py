"""Tells payments that they cannot keep their seats, as fast as it may, until they have none any more."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import col

from chassis.store import Database, Transaction
from seat_svc.models import Seat
from seat_svc.steps import revoke

MAX_TOLD = 25
"""How many at a time: replicas that look at the same moment share what is due in such portions"""


def telling(at_most: int) -> Callable[[Database], Awaitable[None]]:
    """The work that tells so many payments whose turn it is; where it was left off stands in the rows."""

    async def tell_due(database: Database) -> None:
        left = at_most
        while left > 0:
            portion = min(left, MAX_TOLD)
            if await database.run(partial(tell_some, portion)) < portion:
                return
            left -= portion

    tell_due.__doc__ = (
        f"Tell payments that they cannot keep their seats, {at_most} at most, and again until they have none."
    )
    return tell_due


async def tell_some(at_most: int, transaction: Transaction) -> int:
    """Tell some of the payments whose turn it is; returns how many there were."""
    now = transaction.now()
    holders = (await transaction.execute(due(now, at_most))).scalars().all()
    if not holders:
        return 0
    seat_ids = (await transaction.execute(_seats_of(holders, now))).scalars().all()
    by_holder: defaultdict[UUID | None, list[Seat]] = defaultdict(list)
    for row in await transaction.lock(Seat, "seat_id", seat_ids):
        by_holder[row.holder].append(row)
    for rows in by_holder.values():
        transaction.apply(revoke(rows, now))
    return len(holders)


def due(now: datetime, at_most: int) -> sa.Select[Any]:
    """Finds payments that are to be told, those first that have never been.

    Seats that somebody else has locked are left out. The first one that is due stands for its payment, so that replicas
    that look at the same time find different payments.
    """
    earlier = aliased(Seat)
    is_first = ~sa.exists().where(
        col(earlier.holder) == Seat.holder,
        col(earlier.revoke_at) <= now,
        col(earlier.seat_id) < Seat.seat_id,
    )
    return (
        sa.select(col(Seat.holder))
        .where(col(Seat.revoke_at) <= now, col(Seat.holder).is_not(None), is_first)
        .order_by(col(Seat.revoke_at))
        .limit(at_most)
        .with_for_update(of=Seat, skip_locked=True)
    )


def _seats_of(holders: Sequence[UUID], now: datetime) -> sa.Select[Any]:
    """Finds the seats for which these payments are to be told.

    The first ones are locked already, in no order, so it must not wait for any: a request for seats may have one of
    them and want another. What is left out will be told by itself.
    """
    return (
        sa.select(col(Seat.seat_id))
        .where(col(Seat.holder).in_(holders), col(Seat.revoke_at) <= now)
        .with_for_update(skip_locked=True)
    )
