"""What seat_svc does in a hold and in a checkout, and how it undoes it."""

from datetime import datetime
from typing import Annotated

from chassis import By, Service
from contracts import checkout, payment, reservation, seat
from contracts.seat import PricedSeat
from seat_svc.models import Seat, SeatStatus

service = Service("seat")

Taken = Annotated[list[Seat], By("holder", of="payment_id")]


@service.step
def hold(request: reservation.Requested, seats: list[Seat], now: datetime) -> seat.Held | seat.HoldRejected | None:
    """Occupy the seats, all or none. A payment that has them is not refused, even if they are sold or withdrawn."""
    if seats and all(row.belongs_to(request.payment_id) for row in seats):
        return None
    if request.is_late(now):
        return seat.HoldRejected.after(request, reason="deadline-passed")
    if len(seats) < len(request.seat_ids):
        return seat.HoldRejected.after(request, reason="unknown-seat")
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


def _unavailable(seats: list[Seat]) -> str:
    withdrawn = any(row.status == SeatStatus.WITHDRAWN for row in seats)
    return "seat-withdrawn" if withdrawn else "seat-taken"


def _objection(paid: payment.Paid, seats: list[Seat], now: datetime) -> str | None:
    """Why the seats cannot be sold to this payment, if so."""
    if len(seats) < len(paid.seat_ids):
        return "unknown-seat"
    if any(row.status == SeatStatus.WITHDRAWN for row in seats):
        return "seat-withdrawn"
    if not all(row.is_held_by(paid.payment_id) for row in seats):
        return "seat-lost"
    if sum(row.price for row in seats) != paid.amount:
        return "wrong-amount"
    if paid.is_late(now) or any(row.refused_id == paid.checkout_id for row in seats):
        return "deadline-passed"
    return None
