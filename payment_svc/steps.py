"""What payment_svc does in a hold and in a checkout, and how it undoes it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid5

from chassis import ContradictedError, Service, Unlocked, Via, agree, ask_again
from contracts import checkout, payment, point, refund, reservation, seat
from contracts.refund import Asker
from payment_svc.models import Checkout, CheckoutStatus, Payment, PaymentStatus, Refund, RefundStatus, listed
from payment_svc.notices import announce, is_last, is_next, is_paid, notify, send, tell

service = Service("payment")

Attempts = Annotated[list[Checkout], Via("owed"), Unlocked()]
"""The checkout that has locked or paid the payment, whose lock keeps it as it is; none once it is forgotten"""


@dataclass(frozen=True)
class PaymentPolicy:
    """How much one payment may ask for, in points."""

    max_points: int


@service.step
def publish(
    held: seat.Held, existing: Payment | None, policy: PaymentPolicy, now: datetime
) -> tuple[payment.Published, Payment] | payment.PublishRejected | None:
    """Make a payment for the held seats."""
    if existing is not None:
        return None
    total, seat_ids = sum(priced.price for priced in held.seats), tuple(priced.seat_id for priced in held.seats)
    if total > policy.max_points or held.is_late(now):
        reason = "total-over-limit" if total > policy.max_points else "deadline-passed"
        return payment.PublishRejected.after(held, seat_ids=seat_ids, reason=reason)
    new = Payment(payment_id=held.payment_id, user_id=held.user_id, total_price=total, seats=listed(seat_ids))
    return payment.Published.after(held, total_price=total), new


@service.undo(publish)
def cancel(lost: reservation.Expired | reservation.GivenUp, owed: Payment | None) -> payment.Cancelled | None:
    """Withdraw the payment of a hold that is over; a paid one cannot be, as its reservation is confirmed.

    One that is not there is withdrawn as well. Should it still be made, reservation_svc says again that the hold is
    over when it hears of it.
    """
    # Whose hold it is, reservation_svc knows: where seat_svc has named somebody else, the payment ends all the same.
    if owed is not None:
        if owed.status in (PaymentStatus.PAID, PaymentStatus.REFUNDING, PaymentStatus.REFUNDED):
            raise ContradictedError(f"the hold of payment {owed.payment_id}, which was paid, cannot be over")
        owed.cancel()
    return payment.Cancelled.after(lost)


@service.start
def request(owed: Payment, checkout_id: UUID, deadline: datetime, now: datetime) -> tuple[checkout.Requested, Checkout]:
    """Begin to pay a payment that is free: lock it, and ask the others to do their parts."""
    owed.lock(checkout_id)
    new = Checkout(
        checkout_id=checkout_id,
        payment_id=owed.payment_id,
        user_id=owed.user_id,
        amount=owed.total_price,
        deadline=deadline,
        follows=owed.last_outcome_id,
        created_at=now,
    )
    event = checkout.Requested(
        checkout_id=checkout_id,
        payment_id=owed.payment_id,
        user_id=owed.user_id,
        amount=owed.total_price,
        deadline=deadline,
    )
    return event, new


@service.recall(request)
def remember(
    known: point.Spent | point.Rejected, owed: Payment, now: datetime
) -> tuple[checkout.Requested, Checkout] | None:
    """Begin a checkout again that a restored database has forgotten, as far as point_svc has said what it was."""
    if owed.status != PaymentStatus.PUBLISHED or owed.user_id != known.user_id:
        return None
    return request(owed, known.checkout_id, known.deadline if isinstance(known, point.Spent) else now, now)


@service.inquiry
def chase(attempt: Checkout, now: datetime) -> checkout.Overdue | None:
    """Ask seat_svc, which alone knows whether it has sold the seats, about a checkout that should have ended."""
    if not attempt.is_overdue(now):
        return None
    attempt.ask(now)
    return checkout.Overdue(
        checkout_id=attempt.checkout_id,
        payment_id=attempt.payment_id,
        user_id=attempt.user_id,
        amount=attempt.amount,
        deadline=attempt.deadline,
    )


@service.step
def pay(
    confirmed: reservation.Confirmed, owed: Payment | None, now: datetime
) -> payment.Paid | payment.Rejected | None:
    """Mark the payment as paid."""
    if owed is not None and owed.was_paid_by(confirmed.checkout_id):
        return None
    if owed is None or owed.user_id != confirmed.user_id:
        return payment.Rejected.after(confirmed, reason="unknown-payment")
    if reason := _objection(confirmed, owed, now):
        return payment.Rejected.after(confirmed, reason=reason)
    owed.pay(now)
    return payment.Paid.after(confirmed)


@service.undo(pay)
def revert(lost: seat.Rejected, attempt: Checkout, owed: Payment) -> payment.Reverted | None:
    """Take back what `pay` did, or see to it that it never does; the checkout still speaks for the payment.

    One that is being refunded, or was, may hear of a refusal: seats that are given back cannot be sold to it again,
    when a clock had asked, or an old message comes back.
    """
    agree(lost, attempt, "payment_id", "user_id")
    if owed.is_given_back_of(attempt.checkout_id):
        return None
    if attempt.status == CheckoutStatus.COMPLETED:
        raise ContradictedError(f"the seats of checkout {attempt.checkout_id} were sold before they were refused")
    owed.revert(lost.checkout_id)
    return payment.Reverted.after(lost)


@service.step
def complete(reserved: seat.Reserved, attempt: Checkout, owed: Payment, now: datetime) -> checkout.Completed | None:
    """Finish the checkout: the seats are sold, for what was paid.

    One that has failed may hear of a sale too: that of a later checkout of the same payment, when a clock had asked.
    """
    agree(reserved, attempt, "payment_id", "user_id", "amount")
    if attempt.status != CheckoutStatus.PENDING:
        return None
    if not owed.is_paid_by(attempt.checkout_id):
        raise ContradictedError(f"seats were sold to checkout {attempt.checkout_id}, which has not paid")
    if not owed.is_for(reserved.seat_ids):
        raise ContradictedError(f"other seats were sold to checkout {attempt.checkout_id} than it has paid")
    attempt.complete(now)
    return checkout.Completed.after(reserved, completed_at=now)


@service.undo(request)
def close(
    lost: point.Rejected | point.Refunded | point.Unspent, attempt: Checkout, owed: Payment, now: datetime
) -> checkout.Failed | None:
    """Finish a checkout of which nothing is left, and let go of the payment."""
    agree(lost, attempt, "payment_id", "user_id")
    if attempt.status == CheckoutStatus.FAILED:
        return None
    if owed.was_paid_by(attempt.checkout_id):
        raise ContradictedError(f"the points of checkout {attempt.checkout_id}, which has paid, cannot be back")
    attempt.fail(lost.reason, now)
    if owed.is_locked_by(lost.checkout_id):
        owed.unlock()
    return checkout.Failed.after(lost)


service.effect(send)
service.turn(send)(is_next)
service.effect(notify)
service.turn(notify)(is_next)
service.effect(announce)
service.turn(announce)(is_last)


@service.start
def give_back(
    owed: Payment, refund_id: UUID, asked_by: Asker, reason: str, now: datetime
) -> tuple[refund.Requested, Refund]:
    """Begin to give back a payment that is paid: lock it, and ask the others to take back their parts."""
    if owed.checkout_id is None:
        raise ValueError(f"payment {owed.payment_id} is not paid")
    owed.give_back(refund_id)
    new = Refund(
        refund_id=refund_id,
        checkout_id=owed.checkout_id,
        payment_id=owed.payment_id,
        user_id=owed.user_id,
        amount=owed.total_price,
        asked_by=asked_by,
        cause=reason,
        ask_at=ask_again(now, now),
        created_at=now,
    )
    event = refund.Requested(
        refund_id=refund_id,
        checkout_id=owed.checkout_id,
        payment_id=owed.payment_id,
        user_id=owed.user_id,
        asked_by=asked_by,
        reason=reason,
    )
    return event, new


@service.set_off(give_back)
def revoke(
    revoked: seat.Revoked, owed: Payment | None, attempts: Attempts, now: datetime
) -> tuple[refund.Requested, Refund] | None:
    """Begin to give back a payment whose seats cannot be had any more, once its checkout has ended.

    seat_svc says it again as long as the payment has seats. The id of a refund follows from the one before it, so two
    calls at one moment are told apart.
    """
    if owed is None or owed.checkout_id is None or owed.status != PaymentStatus.PAID:
        return None
    if any(attempt.status != CheckoutStatus.COMPLETED for attempt in attempts):
        return None
    refund_id = uuid5(owed.refund_id or owed.checkout_id, revoked.reason)
    return give_back(owed, refund_id, Asker.OPERATOR, revoked.reason, now)


@service.recall(give_back)
def remember_refund(
    known: seat.Vacated | seat.Kept, owed: Payment, now: datetime
) -> tuple[refund.Requested, Refund] | None:
    """Begin a refund again that a restored database has forgotten; who had asked for it is not known any more."""
    if owed.status != PaymentStatus.PAID or owed.checkout_id != known.checkout_id:
        return None
    return give_back(owed, known.refund_id, Asker.OPERATOR, known.reason, now)


@service.inquiry
def chase_refund(wanted: Refund, now: datetime) -> refund.Overdue | None:
    """Ask seat_svc, which alone knows whether the seats were given back, about a refund that should have ended."""
    if not wanted.is_overdue(now):
        return None
    wanted.ask(now)
    return refund.Overdue(
        refund_id=wanted.refund_id,
        checkout_id=wanted.checkout_id,
        payment_id=wanted.payment_id,
        user_id=wanted.user_id,
        asked_by=wanted.asked_by,
        reason=wanted.cause,
    )


@service.undo(give_back)
def keep(lost: seat.Kept, wanted: Refund, owed: Payment, now: datetime) -> refund.Failed | None:
    """Finish a refund that was refused; the payment stays paid."""
    agree(lost, wanted, "checkout_id", "payment_id", "user_id")
    if wanted.status == RefundStatus.COMPLETED:
        raise ContradictedError(f"the seats of refund {wanted.refund_id} were given back before they were kept")
    if wanted.status == RefundStatus.FAILED:
        return None
    wanted.fail(lost.reason, now)
    if owed.is_refunded_by(wanted.refund_id):
        owed.keep()
    return refund.Failed.after(lost)


@service.reversal(pay)
def settle(repaid: point.Repaid, wanted: Refund, owed: Payment, now: datetime) -> refund.Completed | None:
    """Finish the refund: the user has the points, and nobody has the seats."""
    agree(repaid, wanted, "checkout_id", "payment_id", "user_id", "amount")
    if wanted.status == RefundStatus.COMPLETED:
        return None
    if not owed.is_refunded_by(wanted.refund_id):
        raise ContradictedError(f"payment {owed.payment_id} was repaid, and not to be given back")
    owed.refund()
    wanted.complete(now)
    return refund.Completed.after(repaid, reason=wanted.cause, completed_at=now)


service.effect(tell)
service.turn(tell)(is_paid)

service.shows(
    "refund", {payment.RefundSent: "completed", payment.RefundSendFailed: "completed", refund.Failed: "failed"}
)
service.shows("checkout", {payment.Sent: "completed", payment.SendFailed: "completed", checkout.Failed: "failed"})


def _objection(confirmed: reservation.Confirmed, owed: Payment, now: datetime) -> str | None:
    """Why the payment cannot be paid by this checkout, if so."""
    if not owed.is_locked_by(confirmed.checkout_id):
        return "payment-not-locked"
    if owed.total_price != confirmed.amount:
        return "wrong-amount"
    if not owed.is_for(confirmed.seat_ids):
        return "wrong-seats"
    if confirmed.is_late(now) or owed.undone_id == confirmed.checkout_id:
        return "deadline-passed"
    return None
