"""What payment_svc does in a hold."""

import pytest

from contracts import payment, reservation, seat
from payment_svc.models import Payment, PaymentStatus
from payment_svc.steps import PaymentPolicy, cancel, publish
from tests.unit.examples import (
    DEADLINE,
    NOW,
    PAYMENT_ID,
    TOTAL,
    a_payment,
    an,
)

PROCESSING = PaymentStatus.PROCESSING


@pytest.mark.parametrize("most", [TOTAL, TOTAL + 1])
def test_publish_makes_a_payment(most: int) -> None:
    """The total is the sum of the prices that seat_svc said, up to the limit itself."""
    # when
    outcome = publish(an(seat.Held), None, PaymentPolicy(most), NOW)
    # then
    assert isinstance(outcome, tuple)
    event, new = outcome
    assert event == an(payment.Published)
    assert (new.payment_id, new.user_id, new.total_price) == (PAYMENT_ID, "ann", TOTAL)
    assert new.is_for([2, 1])
    assert not new.is_for([1])
    assert (new.status, new.checkout_id) == (PaymentStatus.PUBLISHED, None)


def test_publish_refuses_a_total_over_the_limit() -> None:
    """One point over the limit is over, and the seats are named so that they can be released."""
    # when
    outcome = publish(an(seat.Held), None, PaymentPolicy(TOTAL - 1), NOW)
    # then
    assert outcome == an(payment.PublishRejected, reason="total-over-limit")


def test_publish_refuses_late_seats() -> None:
    """After the deadline of the request no payment is made, and the seats are given back."""
    # when
    outcome = publish(an(seat.Held), None, PaymentPolicy(TOTAL), DEADLINE)
    # then
    assert outcome == an(payment.PublishRejected, reason="deadline-passed")


@pytest.mark.parametrize("status", list(PaymentStatus))
def test_publish_happens_once(status: PaymentStatus) -> None:
    """A payment that is there, in whatever state, stays as it is."""
    # given
    existing = a_payment(status)
    before = existing.model_dump()
    # when
    outcome = publish(an(seat.Held), existing, PaymentPolicy(TOTAL), NOW)
    # then
    assert outcome is None
    assert existing.model_dump() == before


@pytest.mark.parametrize("status", [PaymentStatus.PUBLISHED, PROCESSING])
def test_cancel_withdraws_an_unpaid_payment(status: PaymentStatus) -> None:
    """The seats of an expired hold can be released, whether or not a checkout is on its way."""
    # given
    owed = a_payment(status)
    # when
    outcome = cancel(an(reservation.Expired), owed)
    # then
    assert outcome == an(payment.Cancelled)
    assert owed.status == PaymentStatus.CANCELLED


@pytest.mark.parametrize("status", [PaymentStatus.PUBLISHED, PROCESSING])
def test_cancel_withdraws_the_payment_of_whoever_was_named(status: PaymentStatus) -> None:
    """Whose hold it is, reservation_svc knows: the hold ends, also where seat_svc has named another debtor."""
    # given
    owed = a_payment(status, user_id="eve")
    # when
    outcome = cancel(an(reservation.Expired), owed)
    # then
    assert outcome == an(payment.Cancelled)
    assert owed.status == PaymentStatus.CANCELLED


@pytest.mark.parametrize("owed", [None, a_payment(PaymentStatus.CANCELLED)])
def test_cancel_answers_when_there_is_nothing_to_cancel(owed: Payment | None) -> None:
    """A hold whose payment was never made, or is cancelled already, is given back all the same."""
    # given
    before = owed.model_dump() if owed else None
    # when
    outcome = cancel(an(reservation.Expired), owed)
    # then
    assert outcome == an(payment.Cancelled)
    assert (owed.model_dump() if owed else None) == before
