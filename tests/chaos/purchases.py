"""Purchases by the thousand: rows in all four databases as a sale leaves them, or a hold that can be paid.

What nobody asks for later is left out: inboxes, answers to keys, and what can be said again.
"""

import asyncio
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from chassis import new_id
from contracts import checkout
from payment_svc.models import listed
from payment_svc.notices import Webhook
from payment_svc.platform import Platform
from tests.chaos.site import Site
from tests.end_to_end.catalogue import CHEAP
from tests.end_to_end.fan import Fan

SIZES = (1, 2, 3, 4)
AT_ONCE = 30
A_DAY = timedelta(days=1)

Rows = list[dict[str, Any]]

_TAKE = """
    UPDATE seat SET status = $3, holder = taken.holder
    FROM unnest($1::int[], $2::uuid[]) AS taken (seat_id, holder) WHERE seat.seat_id = taken.seat_id
    """


@dataclass(frozen=True)
class Purchase:
    """Seats, the payment that has them, and the checkout that has paid it, if it is paid."""

    fan: Fan
    seat_ids: tuple[int, ...]
    payment_id: UUID
    checkout_id: UUID | None

    @property
    def amount(self) -> int:
        """What the seats cost."""
        return CHEAP * len(self.seat_ids)


async def sold(site: Site, seat_ids: Sequence[int]) -> list[Purchase]:
    """Sell these seats to many fans, one to four to each; the platform has been told of every payment."""
    purchases = [Purchase(Fan(site.system, "buyer"), seats, new_id(), new_id()) for seats in _shared(seat_ids)]
    now = datetime.now(UTC)
    await _write(site, purchases, now)
    await _tell(site, purchases, now)
    return purchases


async def held(site: Site, seat_ids: Sequence[int]) -> list[Purchase]:
    """Let fans hold these seats, one each, who have the points for them and have not begun to pay."""
    purchases = [Purchase(Fan(site.system, "holder"), (seat_id,), new_id(), None) for seat_id in seat_ids]
    await _write(site, purchases, datetime.now(UTC))
    return purchases


def _shared(seat_ids: Sequence[int]) -> Iterator[tuple[int, ...]]:
    left, sizes = iter(seat_ids), itertools.cycle(SIZES)
    while seats := tuple(itertools.islice(left, next(sizes))):
        yield seats


async def _write(site: Site, purchases: Sequence[Purchase], now: datetime) -> None:
    await _take(site, purchases)
    await _copy(site, "point", {"wallet": _wallets(purchases), "point_history": _history(purchases, now)})
    await _copy(site, "reservation", {"reservation": _reservations(purchases, now)})
    paid = [one for one in purchases if one.checkout_id]
    deliveries = _deliveries(paid, now)
    await _copy(
        site,
        "payment",
        {"payment": _payments(purchases, now), "checkout": _checkouts(paid, now), "delivery": deliveries},
    )


async def _take(site: Site, purchases: Sequence[Purchase]) -> None:
    taken = [(seat_id, one.payment_id) for one in purchases for seat_id in one.seat_ids]
    status = "RESERVED" if purchases[0].checkout_id else "OCCUPIED"
    async with site.session("seat") as session:
        await session.execute(_TAKE, [seat_id for seat_id, _ in taken], [holder for _, holder in taken], status)


async def _copy(site: Site, service: str, tables: Mapping[str, Rows]) -> None:
    async with site.session(service) as session, session.transaction():
        for table, rows in tables.items():
            if rows:
                records = [tuple(row.values()) for row in rows]
                await session.copy_records_to_table(table, records=records, columns=list(rows[0]))


def _wallets(purchases: Sequence[Purchase]) -> Rows:
    return [{"user_id": one.fan.user_id, "balance": 0 if one.checkout_id else one.amount} for one in purchases]


def _history(purchases: Sequence[Purchase], now: datetime) -> Rows:
    return [
        {
            "entry_id": new_id(),
            "user_id": one.fan.user_id,
            "type": kind,
            "amount": one.amount,
            "balance_after": one.amount if kind == "CHARGE" else 0,
            "checkout_id": one.checkout_id if kind == "USE" else None,
            "created_at": now,
        }
        for one in purchases
        for kind in (("CHARGE", "USE") if one.checkout_id else ("CHARGE",))
    ]


def _reservations(purchases: Sequence[Purchase], now: datetime) -> Rows:
    return [
        {
            "reservation_id": new_id(),
            "payment_id": one.payment_id,
            "user_id": one.fan.user_id,
            "seat_id": seat_id,
            "status": "CONFIRMED" if one.checkout_id else "TEMP",
            "price": CHEAP,
            "expires_at": now + A_DAY,
            "ask_at": None,
            "checkout_id": one.checkout_id,
            "created_at": now,
        }
        for one in purchases
        for seat_id in one.seat_ids
    ]


def _payments(purchases: Sequence[Purchase], now: datetime) -> Rows:
    return [
        {
            "payment_id": one.payment_id,
            "user_id": one.fan.user_id,
            "total_price": one.amount,
            "seats": listed(one.seat_ids),
            "status": "PAID" if one.checkout_id else "PUBLISHED",
            "checkout_id": one.checkout_id,
            "created_at": now,
            "paid_at": now if one.checkout_id else None,
        }
        for one in purchases
    ]


def _checkouts(purchases: Sequence[Purchase], now: datetime) -> Rows:
    return [
        {
            "checkout_id": one.checkout_id,
            "payment_id": one.payment_id,
            "user_id": one.fan.user_id,
            "amount": one.amount,
            "deadline": now + timedelta(minutes=1),
            "status": "COMPLETED",
            "created_at": now,
            "finished_at": now,
        }
        for one in purchases
    ]


def _deliveries(purchases: Sequence[Purchase], now: datetime) -> Rows:
    return [
        {"checkout_id": one.checkout_id, "payment_id": one.payment_id, "status": "SENT", "delivered_at": now}
        for one in purchases
    ]


async def _tell(site: Site, purchases: Sequence[Purchase], now: datetime) -> None:
    """Tell the platform of every payment, as payment_svc does."""
    left = iter(purchases)

    async def tell(platform: Platform) -> None:
        for one in left:
            refusal = await platform.deliver(one.checkout_id or new_id(), Webhook.PAID, _completed(one, now))
            assert refusal is None, refusal

    def secrets() -> list[str]:
        return Path(site.environment["PAYMENT_PLATFORM_SECRET_FILE"]).read_text().split()

    async with Platform(site.environment["PAYMENT_PLATFORM_URL"], secrets) as platform:
        await asyncio.gather(*(tell(platform) for _ in range(AT_ONCE)))


def _completed(purchase: Purchase, now: datetime) -> checkout.Completed:
    return checkout.Completed(
        checkout_id=purchase.checkout_id or new_id(),
        payment_id=purchase.payment_id,
        user_id=purchase.fan.user_id,
        amount=purchase.amount,
        seat_ids=purchase.seat_ids,
        completed_at=now,
    )
