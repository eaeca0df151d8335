"""What payment_svc does in a checkout; what it does in a hold stands beside this."""

from datetime import datetime, timedelta

import pytest

from contracts import checkout, payment, point, reservation, seat
from contracts.event import overdue_at
from payment_svc.models import Checkout, CheckoutStatus, Payment, PaymentStatus
from payment_svc.steps import chase, close, complete, pay, request, revert
from tests.unit.examples import (
    CHECKOUT_ID,
    DEADLINE,
    NOW,
    OTHER_CHECKOUT_ID,
    TOTAL,
    a_checkout,
    a_payment,
    an,
)

BY_ANOTHER = {"checkout_id": OTHER_CHECKOUT_ID}
PROCESSING, PAID = PaymentStatus.PROCESSING, PaymentStatus.PAID


def values(row: Payment | Checkout) -> dict[str, object]:
    """Everything that the row says."""
    return row.model_dump()


def test_request_locks_the_payment() -> None:
    """The amount and the user come from the payment, and the payment is spoken for."""
    # given
    owed = a_payment()
    # when
    event, attempt = request(owed, CHECKOUT_ID, DEADLINE, NOW)
    # then
    assert event == an(checkout.Requested)
    assert (owed.status, owed.checkout_id) == (PROCESSING, CHECKOUT_ID)
    assert values(attempt) == values(a_checkout())


def test_pay_marks_the_payment_as_paid() -> None:
    """The checkout that has locked the payment may pay it."""
    # given
    owed = a_payment(PROCESSING)
    # when
    outcome = pay(an(reservation.Confirmed), owed, NOW)
    # then
    assert outcome == an(payment.Paid)
    assert (owed.status, owed.paid_at, owed.checkout_id) == (PAID, NOW, CHECKOUT_ID)


@pytest.mark.parametrize(
    ("owed", "now", "reason"),
    [
        (None, NOW, "unknown-payment"),
        (a_payment(PROCESSING, user_id="bob"), NOW, "unknown-payment"),
        (a_payment(PaymentStatus.PUBLISHED), NOW, "payment-not-locked"),
        (a_payment(PaymentStatus.CANCELLED), NOW, "payment-not-locked"),
        (a_payment(PROCESSING, **BY_ANOTHER), NOW, "payment-not-locked"),
        (a_payment(PAID, **BY_ANOTHER), NOW, "payment-not-locked"),
        (a_payment(PROCESSING, total_price=TOTAL + 1), NOW, "wrong-amount"),
        (a_payment(PROCESSING, seats="1 3"), NOW, "wrong-seats"),
        (a_payment(PROCESSING), DEADLINE, "deadline-passed"),
    ],
)
def test_pay_refuses_with_a_reason(owed: Payment | None, now: datetime, reason: str) -> None:
    """What does not match is refused, and left as it is."""
    # given
    before = values(owed) if owed else None
    # when
    outcome = pay(an(reservation.Confirmed), owed, now)
    # then
    assert outcome == an(payment.Rejected, reason=reason)
    assert (values(owed) if owed else None) == before


def test_payment_that_knows_no_seats_is_paid_for_any() -> None:
    """An older version has made it. What the amount says of the seats has to do."""
    # given
    owed = a_payment(PROCESSING, seats=None)
    # when
    paid = pay(an(reservation.Confirmed), owed, NOW)
    completed = complete(an(seat.Reserved), a_checkout(), owed, NOW)
    # then
    assert (paid, completed) == (an(payment.Paid), an(checkout.Completed))


def test_pay_happens_once() -> None:
    """What this checkout has paid is paid, even when it is asked too late."""
    # given
    owed = a_payment(PAID)
    before = values(owed)
    # when
    outcome = pay(an(reservation.Confirmed), owed, DEADLINE)
    # then
    assert outcome is None
    assert values(owed) == before


def test_revert_restores_what_was_before_pay() -> None:
    """The payment is not paid any more, and still spoken for."""
    # given
    owed = a_payment(PROCESSING)
    before = values(owed)
    pay(an(reservation.Confirmed), owed, NOW)
    # when
    outcome = revert(an(seat.Rejected), a_checkout(), owed)
    # then
    assert outcome == an(payment.Reverted)
    assert values(owed) == before | {"undone_id": CHECKOUT_ID}


@pytest.mark.parametrize("owed", [a_payment(), a_payment(PaymentStatus.CANCELLED), a_payment(PAID, **BY_ANOTHER)])
def test_revert_leaves_alone_what_is_not_its_own(owed: Payment) -> None:
    """What this checkout has not paid, it cannot take back; it answers, so that the way back goes on."""
    # given
    before = values(owed)
    # when
    outcome = revert(an(seat.Rejected), a_checkout(), owed)
    # then
    assert outcome == an(payment.Reverted)
    assert values(owed) == before


def test_revert_of_what_was_never_paid_sees_to_it_that_it_never_is() -> None:
    """A confirmation that comes after it is too late, whatever the clock says."""
    # given
    owed = a_payment(PROCESSING)
    # when
    outcome = revert(an(seat.Rejected), a_checkout(), owed)
    # then
    assert outcome == an(payment.Reverted)
    assert owed.status == PROCESSING
    assert pay(an(reservation.Confirmed), owed, NOW) == an(payment.Rejected, reason="deadline-passed")
    assert owed.status == PROCESSING


def test_chase_asks_once_everybody_finds_it_late() -> None:
    """The clock waits until no tolerated clock can find the checkout in time."""
    # given
    attempt, due = a_checkout(), overdue_at(DEADLINE)
    # when, then
    assert chase(attempt, due - timedelta(microseconds=1)) is None
    assert attempt.ask_at is None
    assert chase(attempt, due) == an(checkout.Overdue)


def test_chase_asks_less_and_less_often() -> None:
    """Each pause is as long as the answer has been missing, half a minute at least and ten minutes at most."""
    # given
    attempt, now = a_checkout(), overdue_at(DEADLINE)
    pauses = []
    # when
    for _ in range(10):
        assert chase(attempt, now) is not None
        assert attempt.ask_at is not None
        assert chase(attempt, attempt.ask_at - timedelta(microseconds=1)) is None
        pauses.append(attempt.ask_at - now)
        now = attempt.ask_at
    # then
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (timedelta(seconds=30), timedelta(minutes=10))


@pytest.mark.parametrize("status", [CheckoutStatus.COMPLETED, CheckoutStatus.FAILED])
def test_chase_leaves_alone_what_has_ended(status: CheckoutStatus) -> None:
    """There is nothing to ask."""
    assert chase(a_checkout(status=status), DEADLINE + timedelta(days=1)) is None


def test_complete_finishes_the_checkout() -> None:
    """The checkout is COMPLETED from now on."""
    # given
    attempt = a_checkout()
    # when
    outcome = complete(an(seat.Reserved), attempt, a_payment(PAID), NOW)
    # then
    assert outcome == an(checkout.Completed)
    assert (attempt.status, attempt.finished_at, attempt.reason) == (CheckoutStatus.COMPLETED, NOW, None)


@pytest.mark.parametrize(
    ("status", "owed"),
    [(CheckoutStatus.COMPLETED, a_payment(PAID)), (CheckoutStatus.FAILED, a_payment(PAID, **BY_ANOTHER))],
)
def test_a_checkout_completes_once(status: CheckoutStatus, owed: Payment) -> None:
    """What has ended does not complete, also when a later checkout of its payment has."""
    # given
    attempt = a_checkout(status=status)
    before = values(attempt)
    # when
    outcome = complete(an(seat.Reserved), attempt, owed, NOW)
    # then
    assert outcome is None
    assert values(attempt) == before


def test_a_checkout_fails_once() -> None:
    """What has failed does not fail again, and the payment is not touched, whoever speaks for it now."""
    # given
    attempt, owed = a_checkout(status=CheckoutStatus.FAILED), a_payment(PAID, **BY_ANOTHER)
    before = values(attempt), values(owed)
    # when
    outcome = close(an(point.Refunded), attempt, owed, NOW)
    # then
    assert outcome is None
    assert (values(attempt), values(owed)) == before


@pytest.mark.parametrize(
    "lost", [an(point.Rejected), an(point.Refunded), an(point.Unspent)], ids=lambda event: event.name
)
def test_close_restores_what_was_before_request(lost: point.Rejected | point.Refunded | point.Unspent) -> None:
    """The checkout is FAILED with its reason, and the payment, which remembers it, is as free as before."""
    # given
    owed = a_payment()
    before = values(owed)
    _, attempt = request(owed, CHECKOUT_ID, DEADLINE, NOW)
    # when
    outcome = close(lost, attempt, owed, NOW)
    # then
    assert outcome == an(checkout.Failed)
    assert (attempt.status, attempt.reason, attempt.finished_at) == (CheckoutStatus.FAILED, "some-reason", NOW)
    assert values(owed) == before | {"last_outcome_id": CHECKOUT_ID}


@pytest.mark.parametrize(
    "owed", [a_payment(PaymentStatus.CANCELLED, checkout_id=CHECKOUT_ID), a_payment(PROCESSING, **BY_ANOTHER)]
)
def test_close_frees_only_its_own_payment(owed: Payment) -> None:
    """A cancelled payment stays cancelled, and the lock of another checkout stays locked."""
    # given
    attempt = a_checkout()
    before = values(owed)
    # when
    outcome = close(an(point.Refunded), attempt, owed, NOW)
    # then
    assert outcome == an(checkout.Failed)
    assert values(owed) == before
