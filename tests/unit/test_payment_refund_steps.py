"""What payment_svc does in a refund; nobody but the rows says who has paid, and who speaks for the payment."""

from datetime import timedelta
from typing import Any

import pytest

from chassis import ContradictedError
from contracts import payment, point, refund, reservation, seat
from contracts.refund import Asker
from payment_svc.models import Checkout, CheckoutStatus, Payment, PaymentStatus, Refund, RefundStatus
from payment_svc.steps import cancel, chase_refund, close, give_back, keep, pay, remember_refund, revoke, settle
from tests.unit.examples import CHECKOUT_ID, NOW, OTHER_CHECKOUT_ID, REFUND_ID, TOTAL, a_checkout, a_payment, an

PAID, REFUNDING, REFUNDED = PaymentStatus.PAID, PaymentStatus.REFUNDING, PaymentStatus.REFUNDED
GIVEN_BACK: list[dict[str, Any]] = [
    {"status": status, "checkout_id": CHECKOUT_ID, "refund_id": REFUND_ID} for status in (REFUNDING, REFUNDED)
]
"""A payment that was paid, and is not any more"""
LATER = NOW + timedelta(hours=1)
REASON = "some-reason"


def a_refund(**changes: Any) -> Refund:
    """The refund of ann's checkout, on its way."""
    values: dict[str, Any] = {
        "refund_id": REFUND_ID,
        "checkout_id": CHECKOUT_ID,
        "payment_id": a_payment().payment_id,
        "user_id": "ann",
        "amount": TOTAL,
        "asked_by": Asker.BUYER,
        "cause": REASON,
        "ask_at": NOW + timedelta(seconds=30),
        "created_at": NOW,
    }
    return Refund(**values | changes)


def refunding(**changes: Any) -> Payment:
    """Ann's payment, while her refund speaks for it."""
    return a_payment(**GIVEN_BACK[0] | changes)


def values(*rows: Payment | Checkout | Refund) -> list[dict[str, object]]:
    """Everything that rows say."""
    return [row.model_dump() for row in rows]


def test_give_back_locks_what_is_paid() -> None:
    """What there is to know about the refund comes from the payment, which is spoken for."""
    # given
    owed = a_payment(PAID)
    # when
    event, wanted = give_back(owed, REFUND_ID, Asker.BUYER, REASON, NOW)
    # then
    assert event == an(refund.Requested)
    assert (owed.status, owed.refund_id, owed.checkout_id) == (REFUNDING, REFUND_ID, CHECKOUT_ID)
    assert values(wanted) == values(a_refund())


def test_revoke_gives_back_what_has_completed() -> None:
    """An operator asks for it, for the reason that was called out."""
    # given
    owed, attempt = a_payment(PAID), a_checkout(status=CheckoutStatus.COMPLETED)
    # when
    begun = revoke(an(seat.Revoked, reason="called-off"), owed, [attempt], NOW)
    # then
    assert begun is not None
    event, wanted = begun
    assert (event.asked_by, event.reason, event.refund_id) == (Asker.OPERATOR, "called-off", wanted.refund_id)
    assert (owed.status, owed.refund_id) == (REFUNDING, wanted.refund_id)


def test_revoke_gives_back_what_was_bought_long_ago() -> None:
    """The row of the checkout is gone, so it has ended; and what it has left is paid."""
    assert revoke(an(seat.Revoked), a_payment(PAID), [], NOW) is not None


@pytest.mark.parametrize(
    ("owed", "status"),
    [
        (None, None),
        (a_payment(), None),
        (a_payment(PaymentStatus.PROCESSING), CheckoutStatus.PENDING),
        (a_payment(PAID), CheckoutStatus.PENDING),
        (refunding(), CheckoutStatus.COMPLETED),
        (a_payment(**GIVEN_BACK[1]), CheckoutStatus.COMPLETED),
        (a_payment(PaymentStatus.CANCELLED), None),
    ],
)
def test_revoke_waits_for_what_is_under_way(owed: Payment | None, status: CheckoutStatus | None) -> None:
    """It is called out again as long as the payment has seats; what has not completed is not given back."""
    # given
    rows = [owed] if owed else []
    before = values(*rows)
    # when
    begun = revoke(an(seat.Revoked), owed, [a_checkout(status=status)] if status else [], NOW)
    # then
    assert begun is None
    assert values(*rows) == before


def test_revoke_begins_another_refund_each_time() -> None:
    """One that was refused was another one: its id is spent."""
    owed = a_payment(PAID)
    first = revoke(an(seat.Revoked), owed, [], NOW)
    owed.keep()
    second = revoke(an(seat.Revoked), owed, [], NOW)

    assert first is not None
    assert second is not None
    assert first[0].refund_id != second[0].refund_id


@pytest.mark.parametrize("known", [an(seat.Vacated), an(seat.Kept)], ids=lambda event: event.name)
def test_remember_begins_a_forgotten_refund_again(known: seat.Vacated | seat.Kept) -> None:
    """Under its own id, so that the answer to it finds it."""
    # given
    owed = a_payment(PAID)
    # when
    begun = remember_refund(known, owed, NOW)
    # then
    assert begun is not None
    assert begun[0].refund_id == REFUND_ID
    assert (owed.status, owed.refund_id) == (REFUNDING, REFUND_ID)


@pytest.mark.parametrize("owed", [refunding(), a_payment(PAID, checkout_id=OTHER_CHECKOUT_ID), a_payment()])
def test_remember_leaves_alone_what_it_does_not_know(owed: Payment) -> None:
    """What another checkout has paid, or a refund speaks for, was not forgotten."""
    before = values(owed)

    assert remember_refund(an(seat.Vacated), owed, NOW) is None
    assert values(owed) == before


def test_chase_asks_about_a_refund_less_and_less_often() -> None:
    """From half a minute on, and every ten minutes in the end."""
    # given
    wanted, pauses = a_refund(), []
    # when
    for _ in range(10):
        now = wanted.ask_at
        assert chase_refund(wanted, now - timedelta(microseconds=1)) is None
        assert chase_refund(wanted, now) == an(refund.Overdue)
        pauses.append(wanted.ask_at - now)
    # then
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (timedelta(seconds=30), timedelta(minutes=10))


@pytest.mark.parametrize("status", [RefundStatus.COMPLETED, RefundStatus.FAILED])
def test_chase_leaves_alone_refunds_that_have_ended(status: RefundStatus) -> None:
    """There is nothing to ask."""
    assert chase_refund(a_refund(status=status), LATER) is None


def test_keep_restores_what_was_before_give_back() -> None:
    """The payment, which remembers the refund, is paid as before, and the refund says why."""
    # given
    owed = a_payment(PAID)
    (before,) = values(owed)
    _, wanted = give_back(owed, REFUND_ID, Asker.BUYER, REASON, NOW)
    # when
    outcome = keep(an(seat.Kept, reason="too-late"), wanted, owed, LATER)
    # then
    assert outcome == an(refund.Failed, reason="too-late")
    assert (wanted.status, wanted.reason, wanted.finished_at) == (RefundStatus.FAILED, "too-late", LATER)
    assert values(owed) == [before | {"refund_id": REFUND_ID}]


def test_keep_happens_once() -> None:
    """A second answer does not touch a payment that another refund speaks for by now."""
    # given
    wanted, owed = a_refund(status=RefundStatus.FAILED), refunding(refund_id=CHECKOUT_ID)
    before = values(wanted, owed)
    # when, then
    assert keep(an(seat.Kept), wanted, owed, NOW) is None
    assert values(wanted, owed) == before


def test_keep_believes_its_own_rows() -> None:
    """What has completed was not refused, whatever is said."""
    with pytest.raises(ContradictedError):
        keep(an(seat.Kept), a_refund(status=RefundStatus.COMPLETED), a_payment(**GIVEN_BACK[1]), NOW)


def test_settle_finishes_the_refund() -> None:
    """The payment is given back for good; why is what the row of the refund says."""
    # given
    wanted, owed = a_refund(cause="given-back"), refunding()
    # when
    outcome = settle(an(point.Repaid), wanted, owed, NOW)
    # then
    assert outcome == an(refund.Completed, reason="given-back")
    assert (wanted.status, wanted.finished_at, wanted.reason) == (RefundStatus.COMPLETED, NOW, None)
    assert (owed.status, owed.refund_id, owed.checkout_id) == (REFUNDED, REFUND_ID, CHECKOUT_ID)


def test_settle_happens_once() -> None:
    """It may be said again that the points are back: the clock asks."""
    # given
    wanted, owed = a_refund(status=RefundStatus.COMPLETED), a_payment(**GIVEN_BACK[1])
    before = values(wanted, owed)
    # when, then
    assert settle(an(point.Repaid), wanted, owed, NOW) is None
    assert values(wanted, owed) == before


@pytest.mark.parametrize(
    ("wanted", "owed"),
    [
        (a_refund(), a_payment(PAID)),
        (a_refund(), refunding(refund_id=CHECKOUT_ID)),
        (a_refund(amount=TOTAL + 1), refunding()),
        (a_refund(user_id="eve"), refunding()),
        (a_refund(status=RefundStatus.FAILED), a_payment(PAID)),
    ],
)
def test_settle_believes_its_own_rows(wanted: Refund, owed: Payment) -> None:
    """What it has not begun to give back, nobody can have repaid."""
    with pytest.raises(ContradictedError):
        settle(an(point.Repaid), wanted, owed, NOW)


@pytest.mark.parametrize("changes", GIVEN_BACK)
def test_payment_that_was_given_back_is_not_paid_again(changes: dict[str, Any]) -> None:
    """A late copy of what it was paid for has no answer, also after the deadline."""
    # given
    owed = a_payment(**changes)
    before = values(owed)
    # when, then
    assert pay(an(reservation.Confirmed), owed, LATER) is None
    assert values(owed) == before


@pytest.mark.parametrize("status", [PAID, REFUNDING, REFUNDED])
@pytest.mark.parametrize("over", [an(reservation.Expired), an(reservation.GivenUp)], ids=lambda event: event.name)
def test_hold_that_was_paid_cannot_be_over(
    over: reservation.Expired | reservation.GivenUp, status: PaymentStatus
) -> None:
    """Its reservation was confirmed, whatever was given back since."""
    with pytest.raises(ContradictedError):
        cancel(over, a_payment(status, checkout_id=CHECKOUT_ID))


@pytest.mark.parametrize("changes", GIVEN_BACK)
def test_checkout_that_was_given_back_does_not_fail(changes: dict[str, Any]) -> None:
    """Its points are back because of the refund."""
    with pytest.raises(ContradictedError):
        close(an(point.Refunded), a_checkout(), a_payment(**changes), NOW)


def test_hold_given_up_withdraws_the_payment() -> None:
    """As one does whose time is up."""
    # given
    owed = a_payment()
    # when, then
    assert cancel(an(reservation.GivenUp), owed) == an(payment.Cancelled)
    assert owed.status == PaymentStatus.CANCELLED
