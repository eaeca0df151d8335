"""Events and rows that fit together: ann holds seats 1 and 2 for 130 points, and checks out."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from contracts.event import Event
from contracts.refund import Asker
from contracts.seat import PricedSeat
from payment_svc.models import Checkout, Payment, PaymentStatus
from reservation_svc.models import Reservation, Status
from seat_svc.models import Seat, SeatStatus

AnEvent = TypeVar("AnEvent", bound=Event)

NOW = datetime(2027, 1, 1, 12, 0, tzinfo=UTC)
DEADLINE = NOW + timedelta(minutes=1)
EXPIRES_AT = NOW + timedelta(minutes=10)
PAYMENT_ID, OTHER_PAYMENT_ID = UUID(int=1), UUID(int=2)
CHECKOUT_ID, OTHER_CHECKOUT_ID = UUID(int=3), UUID(int=4)
REFUND_ID, OTHER_REFUND_ID = UUID(int=5), UUID(int=6)
PRICES = {1: 60, 2: 70}
TOTAL = 130

_FIELDS: dict[str, Any] = {
    "payment_id": PAYMENT_ID,
    "checkout_id": CHECKOUT_ID,
    "refund_id": REFUND_ID,
    "asked_by": Asker.BUYER,
    "user_id": "ann",
    "amount": TOTAL,
    "total_price": TOTAL,
    "deadline": DEADLINE,
    "completed_at": NOW,
    "expires_at": EXPIRES_AT,
    "seat_ids": tuple(PRICES),
    "seats": tuple(PricedSeat(seat_id=seat_id, price=price) for seat_id, price in PRICES.items()),
    "reason": "some-reason",
}


def an(event: type[AnEvent], **changes: Any) -> AnEvent:
    """An event of ann's saga, with some fields changed."""
    return event(**{name: _FIELDS[name] for name in event.model_fields} | changes)


def reservations(status: Status = Status.TEMP, **changes: Any) -> list[Reservation]:
    """The reservation of both seats; while it is confirmed, by ann's checkout."""
    shared: dict[str, Any] = {"payment_id": PAYMENT_ID, "user_id": "ann", "status": status, "expires_at": EXPIRES_AT}
    if status is Status.CONFIRMED:
        shared["checkout_id"] = CHECKOUT_ID
    if status is Status.REQUESTED:
        shared["expires_at"] = None
    prices = {seat_id: None if status is Status.REQUESTED else price for seat_id, price in PRICES.items()}
    return [Reservation(seat_id=key, **{"price": price} | shared | changes) for key, price in prices.items()]


def a_payment(status: PaymentStatus = PaymentStatus.PUBLISHED, **changes: Any) -> Payment:
    """Ann's payment; while it is spoken for, by her checkout."""
    owned = status in (PaymentStatus.PROCESSING, PaymentStatus.PAID)
    values: dict[str, Any] = {
        "payment_id": PAYMENT_ID,
        "user_id": "ann",
        "total_price": TOTAL,
        "seats": "1 2",
        "status": status,
        "checkout_id": CHECKOUT_ID if owned else None,
        "paid_at": NOW if status is PaymentStatus.PAID else None,
    }
    return Payment(**values | changes)


def a_checkout(**changes: Any) -> Checkout:
    """Ann's checkout, on its way."""
    values: dict[str, Any] = {
        "checkout_id": CHECKOUT_ID,
        "payment_id": PAYMENT_ID,
        "user_id": "ann",
        "amount": TOTAL,
        "deadline": DEADLINE,
        "created_at": NOW,
    }
    return Checkout(**values | changes)


def seats(status: SeatStatus = SeatStatus.OCCUPIED, **changes: Any) -> list[Seat]:
    """Both seats; unless they are available, in the name of ann's payment."""
    holder = None if status is SeatStatus.AVAILABLE else PAYMENT_ID
    values: dict[str, Any] = {"date_id": 1, "status": status, "holder": holder}
    return [Seat(seat_id=key, label=str(key), **{"price": price} | values | changes) for key, price in PRICES.items()]
