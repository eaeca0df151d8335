"""What the four databases say about one hold: everything that a checkout may change."""

import dataclasses
from typing import Any, NamedTuple, Self
from uuid import UUID

from tests.end_to_end.databases import Row
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.system import System


class Reservation(NamedTuple):
    """A row of reservation_svc."""

    seat_id: int
    status: str
    user_id: str
    price: int | None
    checkout_id: UUID | None
    reason: str | None


class Payment(NamedTuple):
    """A row of payment_svc."""

    status: str
    user_id: str
    total_price: int
    checkout_id: UUID | None
    is_paid: bool


class Checkout(NamedTuple):
    """A row of payment_svc."""

    status: str
    reason: str | None
    amount: int


class Seat(NamedTuple):
    """A row of seat_svc."""

    seat_id: int
    status: str
    price: int
    holder: UUID | None


class Date(NamedTuple):
    """What the seats of a date say of it."""

    date_id: int
    status: str
    open_seats: int


@dataclasses.dataclass(frozen=True)
class Standing:
    """The rows of all services that belong to one hold of one fan."""

    balance: int
    history: tuple[tuple[str, int], ...]
    reservations: tuple[Reservation, ...]
    payment: Payment | None
    checkouts: tuple[Checkout, ...]
    deliveries: tuple[tuple[str, str | None], ...]
    seats: tuple[Seat, ...]
    dates: tuple[Date, ...]

    def but(self, **changed: Any) -> Self:
        """The same, except for what is given."""
        return dataclasses.replace(self, **changed)

    def after_failed(self, reason: str, amount: int, *, spent: bool) -> Self:
        """What a failed checkout leaves: the attempt itself, and, if it had spent points, that they came back."""
        moved = (("USE", amount), ("REFUND", amount)) if spent else ()
        failed = Checkout("FAILED", reason, amount)
        return self.but(history=self.history + moved, checkouts=(*self.checkouts, failed))


_HISTORY = "SELECT type, amount FROM point_history WHERE user_id = $1 ORDER BY entry_id"
_RESERVATIONS = """
    SELECT seat_id, status, user_id, price, checkout_id, reason
    FROM reservation WHERE payment_id = $1 ORDER BY seat_id
"""
_PAYMENT = """
    SELECT status, user_id, total_price, checkout_id, paid_at IS NOT NULL AS is_paid
    FROM payment WHERE payment_id = $1
"""
_CHECKOUTS = "SELECT status, reason, amount FROM checkout WHERE payment_id = $1 ORDER BY checkout_id"
_DELIVERIES = "SELECT status, reason FROM delivery WHERE payment_id = $1 ORDER BY checkout_id"
_SEATS = "SELECT seat_id, status, price, holder FROM seat WHERE seat_id = ANY($1::int[]) ORDER BY seat_id"
_DATES = """
    SELECT date_id, CASE count(open) WHEN 0 THEN 'SOLD_OUT' ELSE 'AVAILABLE' END AS status, count(open) AS open_seats
    FROM (SELECT date_id, nullif(status IN ('AVAILABLE', 'OCCUPIED'), false) AS open FROM seat) AS seats
    WHERE date_id IN (SELECT date_id FROM seat WHERE seat_id = ANY($1::int[])) GROUP BY date_id ORDER BY date_id
"""


async def standing(system: System, fan: Fan, hold: Hold) -> Standing:
    """What the four databases say now."""
    databases = system.databases

    async def found(service: str, query: str, value: object) -> list[Row]:
        return await databases.rows(service, query, value)

    wallet = await databases.value("point", "SELECT balance FROM wallet WHERE user_id = $1", fan.user_id)
    payment = await databases.row("payment", _PAYMENT, hold.payment_id)
    deliveries = await found("payment", _DELIVERIES, hold.payment_id)
    return Standing(
        balance=wallet or 0,
        history=tuple((row["type"], row["amount"]) for row in await found("point", _HISTORY, fan.user_id)),
        reservations=tuple(Reservation(**row) for row in await found("reservation", _RESERVATIONS, hold.payment_id)),
        payment=Payment(**payment) if payment else None,
        checkouts=tuple(Checkout(**row) for row in await found("payment", _CHECKOUTS, hold.payment_id)),
        deliveries=tuple((row["status"], row["reason"]) for row in deliveries),
        seats=tuple(Seat(**row) for row in await found("seat", _SEATS, list(hold.seat_ids))),
        dates=tuple(Date(**row) for row in await found("seat", _DATES, list(hold.seat_ids))),
    )
