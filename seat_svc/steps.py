"""What seat_svc does in a hold and in a checkout, and how it undoes it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from chassis import By, Service, Unlocked, Via, ask_again
from contracts import checkout, payment, refund, reservation, seat
from contracts.refund import Asker
from contracts.seat import PricedSeat
from seat_svc.models import ConcertDate, Seat, SeatStatus, Vacancy

service = Service("seat")

Taken = Annotated[list[Seat], By("holder", of="payment_id")]
Evenings = Annotated[list[ConcertDate], Via("seats"), Unlocked()]


@dataclass(frozen=True)
class RefundPolicy:
    """How long before an evening begins its buyers may still give their tickets back."""

    notice: timedelta


@service.step
def hold(request: reservation.Requested, seats: list[Seat], now: datetime) -> seat.Held | seat.HoldRejected | None:
    """Occupy the seats, all or none. A payment that has them is not refused, even if they are sold or withdrawn."""
    if seats and all(row.belongs_to(request.payment_id) for row in seats):
        return None
    if request.is_late(now):
        return seat.HoldRejected.after(request, reason="deadline-passed")
    if len(seats) < len(request.seat_ids):
        return seat.HoldRejected.after(request, reason="unknown-seat")
    if len({row.date_id for row in seats}) > 1:
        return seat.HoldRejected.after(request, reason="several-evenings")
    if any(row.status != SeatStatus.AVAILABLE for row in seats):
        return seat.HoldRejected.after(request, reason=_unavailable(seats))
    for row in seats:
        row.hold(request.payment_id)
    return seat.Held.after(request, seats=tuple(PricedSeat(seat_id=row.seat_id, price=row.price) for row in seats))


@service.undo(hold)
def release(lost: payment.PublishRejected | payment.Cancelled, seats: list[Seat]) -> seat.Released | None:
    """Give up what is held in the name of the payment, if anything is; what is sold cannot be."""
    if any(row.is_reserved_by(lost.payment_id) for row in seats):
        return None
    for row in seats:
        if row.belongs_to(lost.payment_id):
            row.release()
    return seat.Released.after(lost)


@service.pivot
def reserve(paid: payment.Paid, seats: list[Seat], now: datetime) -> seat.Reserved | seat.Rejected | None:
    """Sell the seats to the payment; from here on a checkout only goes forward."""
    if seats and all(row.is_reserved_by(paid.payment_id) for row in seats):
        return None
    if reason := _objection(paid, seats, now):
        return seat.Rejected.after(paid, reason=reason)
    for row in seats:
        row.reserve()
    return seat.Reserved.after(paid)


@service.answer(reserve)
def decide(overdue: checkout.Overdue, seats: Taken, now: datetime) -> seat.Reserved | seat.Rejected | None:
    """Say again that the seats are sold, or refuse to sell them to this checkout, whatever of it may still come.

    A clock does not decide alone: as long as the deadline has not passed here too, there is no answer.
    """
    sold = [row for row in seats if row.is_reserved_by(overdue.payment_id)]
    if sold:
        amount = sum(row.price for row in sold)
        return seat.Reserved.after(overdue, seat_ids=tuple(row.seat_id for row in sold), amount=amount)
    if not overdue.is_past(now):
        return None
    for row in seats:
        row.refuse(overdue.checkout_id)
    return seat.Rejected.after(overdue, reason="deadline-passed")


@service.call
def revoke(seats: Taken, now: datetime) -> seat.Revoked | None:
    """Tell whoever acts for a payment that it cannot keep its seats, until it has none any more."""
    due = [row for row in seats if row.revoke_at is not None and row.revoke_at <= now]
    if not due or due[0].holder is None:
        return None
    for row in due:
        row.revoke_at = ask_again(now, now)
    return seat.Revoked(payment_id=due[0].holder, reason=due[0].revoked or "seat-withdrawn")


@service.reversal(reserve, pivot=True)
def vacate(
    request: refund.Requested,
    seats: Taken,
    evenings: Evenings,
    decided: Vacancy | None,
    policy: RefundPolicy,
    now: datetime,
) -> tuple[seat.Vacated | seat.Kept, Vacancy] | None:
    """Take back the sale; from here on a refund only goes forward."""
    return None if decided else _vacate(request, seats, evenings, policy, now)


@service.answer(vacate)
def vouch(
    overdue: refund.Overdue,
    seats: Taken,
    evenings: Evenings,
    decided: Vacancy | None,
    policy: RefundPolicy,
    now: datetime,
) -> tuple[seat.Vacated | seat.Kept, list[Vacancy]]:
    """Say again what was decided about a refund; one that nobody has heard of is decided now."""
    if decided is None:
        event, new = _vacate(overdue, seats, evenings, policy, now)
        return event, [new]
    if decided.reason is not None:
        return seat.Kept.after(overdue, reason=decided.reason), []
    return seat.Vacated.after(overdue, seat_ids=tuple(map(int, decided.seats.split()))), []


def _vacate(
    request: refund.Requested | refund.Overdue,
    seats: list[Seat],
    evenings: list[ConcertDate],
    policy: RefundPolicy,
    now: datetime,
) -> tuple[seat.Vacated | seat.Kept, Vacancy]:
    sold = [row for row in seats if row.is_reserved_by(request.payment_id)]
    decided = Vacancy(
        refund_id=request.refund_id,
        payment_id=request.payment_id,
        seats=" ".join(str(row.seat_id) for row in sold),
        reason=_why_kept(request, sold, evenings, policy, now),
        at=now,
    )
    if decided.reason is not None:
        return seat.Kept.after(request, reason=decided.reason), decided
    for row in sold:
        row.vacate()
    return seat.Vacated.after(request, seat_ids=tuple(row.seat_id for row in sold)), decided


def _why_kept(
    request: refund.Requested | refund.Overdue,
    sold: list[Seat],
    evenings: list[ConcertDate],
    policy: RefundPolicy,
    now: datetime,
) -> str | None:
    """Why the seats stay sold, if so. Whoever has them revoked may do so at any time."""
    if not sold:
        return "not-sold"
    if any(row.revoked for row in sold):
        return None
    begins = min(evening.starts_at for evening in evenings)
    if now >= begins:
        return "evening-begun"
    if request.asked_by == Asker.BUYER and now >= begins - policy.notice:
        return "too-late"
    return None


def _unavailable(seats: list[Seat]) -> str:
    if revoked := next((row.revoked for row in seats if row.revoked), None):
        return revoked
    withdrawn = any(row.status == SeatStatus.WITHDRAWN for row in seats)
    return "seat-withdrawn" if withdrawn else "seat-taken"


def _objection(paid: payment.Paid, seats: list[Seat], now: datetime) -> str | None:
    """Why the seats cannot be sold to this payment, if so."""
    if len(seats) < len(paid.seat_ids):
        return "unknown-seat"
    if any(row.status == SeatStatus.WITHDRAWN for row in seats):
        return _unavailable(seats)
    if not all(row.is_held_by(paid.payment_id) for row in seats):
        return "seat-lost"
    if sum(row.price for row in seats) != paid.amount:
        return "wrong-amount"
    if paid.is_late(now) or any(row.refused_id == paid.checkout_id for row in seats):
        return "deadline-passed"
    return None
