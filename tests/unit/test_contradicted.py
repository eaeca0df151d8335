"""What a neighbour says against the rows of a step is not believed, whichever service it is."""

from collections.abc import Callable

import pytest

from chassis import ContradictedError, agree
from contracts import payment, point, reservation, seat
from contracts.seat import PricedSeat
from payment_svc import steps as payment_steps
from payment_svc.models import CheckoutStatus, PaymentStatus
from reservation_svc import steps as reservation_steps
from reservation_svc.models import Status
from tests.unit.examples import (
    DEADLINE,
    EXPIRES_AT,
    NOW,
    OTHER_CHECKOUT_ID,
    OTHER_PAYMENT_ID,
    TOTAL,
    a_checkout,
    a_payment,
    an,
    reservations,
)

BY_ANOTHER = {"checkout_id": OTHER_CHECKOUT_ID}
PROCESSING, PAID = PaymentStatus.PROCESSING, PaymentStatus.PAID
POLICY = reservation_steps.HoldPolicy(duration=EXPIRES_AT - NOW, patience=DEADLINE - NOW)
COMPLETED = a_checkout(status=CheckoutStatus.COMPLETED)
LIES: dict[str, Callable[[], object]] = {
    "sold, unpaid": lambda: payment_steps.complete(an(seat.Reserved), a_checkout(), a_payment(PROCESSING), NOW),
    "sold, paid by another": lambda: payment_steps.complete(
        an(seat.Reserved), a_checkout(), a_payment(PAID, **BY_ANOTHER), NOW
    ),
    "sold for less": lambda: payment_steps.complete(an(seat.Reserved, amount=1), a_checkout(), a_payment(PAID), NOW),
    "sold for less, again": lambda: payment_steps.complete(
        an(seat.Reserved, amount=1), COMPLETED, a_payment(PAID), NOW
    ),
    "sold to eve": lambda: payment_steps.complete(an(seat.Reserved, user_id="eve"), a_checkout(), a_payment(PAID), NOW),
    "sold, other payment": lambda: payment_steps.complete(
        an(seat.Reserved, payment_id=OTHER_PAYMENT_ID), a_checkout(), a_payment(PAID), NOW
    ),
    "sold, other seats": lambda: payment_steps.complete(
        an(seat.Reserved, seat_ids=(99, 100)), a_checkout(), a_payment(PAID), NOW
    ),
    "sold, fewer seats": lambda: payment_steps.complete(
        an(seat.Reserved, seat_ids=(1,)), a_checkout(), a_payment(PAID), NOW
    ),
    "refused after the sale": lambda: payment_steps.revert(an(seat.Rejected), COMPLETED, a_payment(PAID)),
    "refused to eve": lambda: payment_steps.revert(an(seat.Rejected, user_id="eve"), a_checkout(), a_payment(PAID)),
    "refused, other payment": lambda: payment_steps.revert(
        an(seat.Rejected, payment_id=OTHER_PAYMENT_ID), a_checkout(), a_payment(PAID)
    ),
    "refunded after the sale": lambda: payment_steps.close(an(point.Refunded), COMPLETED, a_payment(PAID), NOW),
    "refunded while paid": lambda: payment_steps.close(an(point.Refunded), a_checkout(), a_payment(PAID), NOW),
    "refunded to eve": lambda: payment_steps.close(
        an(point.Refunded, user_id="eve"), a_checkout(), a_payment(PROCESSING), NOW
    ),
    "expired while paid": lambda: payment_steps.cancel(an(reservation.Expired), a_payment(PAID)),
    "opened for eve": lambda: reservation_steps.open_(
        an(payment.Published, user_id="eve"), reservations(Status.REQUESTED), POLICY, NOW
    ),
    "other seats": lambda: reservation_steps.open_(
        an(payment.Published, seats=(PricedSeat(seat_id=9, price=TOTAL),)), reservations(Status.REQUESTED), POLICY, NOW
    ),
    "rejected for eve": lambda: reservation_steps.reject(
        an(seat.Released, user_id="eve"), reservations(Status.EXPIRED)
    ),
    "released while open": lambda: reservation_steps.reject(an(seat.Released), reservations()),
    "refused while confirmed": lambda: reservation_steps.reject(an(seat.HoldRejected), reservations(Status.CONFIRMED)),
    "reverted for eve": lambda: reservation_steps.revert(
        an(payment.Reverted, user_id="eve"), reservations(Status.CONFIRMED)
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_own_rows_are_believed_first(lie: str) -> None:
    """What contradicts them is for a person to look at."""
    with pytest.raises(ContradictedError):
        LIES[lie]()


def test_what_agrees_is_believed() -> None:
    """Only the fields that are named are compared."""
    agree(an(seat.Reserved, amount=1), a_checkout(), "payment_id", "user_id")
    with pytest.raises(ContradictedError, match="another amount"):
        agree(an(seat.Reserved, amount=1), a_checkout(), "payment_id", "amount")
