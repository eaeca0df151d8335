"""What reservation_svc does in a hold and in a checkout, and how it undoes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, TypeVar
from uuid import UUID

from chassis import By, ContradictedError, Service, agree
from contracts import payment, point, reservation, seat
from contracts.event import overdue_at
from reservation_svc.models import Reservation, Status

service = Service("reservation")

Reservations = Annotated[list[Reservation], By("payment_id")]
Over = TypeVar("Over", reservation.Expired, reservation.GivenUp)


@dataclass(frozen=True)
class HoldPolicy:
    """How long seats are held for a user who has not paid yet, and how long a user waits for them."""

    duration: timedelta
    patience: timedelta


@service.start
def request(
    payment_id: UUID, user_id: str, seat_ids: Sequence[int], deadline: datetime
) -> tuple[reservation.Requested, list[Reservation]]:
    """Ask for seats, all or none."""
    event = reservation.Requested(payment_id=payment_id, user_id=user_id, seat_ids=tuple(seat_ids), deadline=deadline)
    ask_at = overdue_at(deadline)
    return event, [
        Reservation(payment_id=payment_id, user_id=user_id, seat_id=seat_id, ask_at=ask_at) for seat_id in seat_ids
    ]


@service.recall(request)
def remember(known: seat.Held, reservations: Reservations) -> tuple[reservation.Requested, list[Reservation]] | None:
    """Ask again for seats that seat_svc has held, for a request that a restored database has forgotten."""
    if reservations:
        return None
    return request(known.payment_id, known.user_id, [priced.seat_id for priced in known.seats], known.deadline)


@service.step
def open_(
    published: payment.Published, reservations: Reservations, policy: HoldPolicy, now: datetime
) -> reservation.Opened | reservation.Expired | reservation.GivenUp | None:
    """Let the user pay for the seats until the hold's time is up; give them back when the hold is over already."""
    for row in reservations:
        agree(published, row, "user_id")
    if any(row.is_over for row in reservations):
        return _over(reservations)
    requested = [row for row in reservations if row.status == Status.REQUESTED]
    if not requested:
        return None
    prices = {priced.seat_id: priced.price for priced in published.seats}
    if prices.keys() != {row.seat_id for row in requested}:
        raise ContradictedError(f"payment {published.payment_id} is for other seats than were asked for")
    for row in requested:
        row.open(prices[row.seat_id], now + policy.duration)
    return reservation.Opened.after(published, expires_at=now + policy.duration)


@service.undo(request)
def reject(lost: seat.HoldRejected | seat.Released, reservations: Reservations) -> reservation.Closed | None:
    """Close a hold of which nothing is left; one that ran out of time stays EXPIRED.

    One that is open or confirmed still has its seats: they are given back when this service says so, and not before.
    One that was given up before anybody had answered is closed again once its clock has asked: seats may come late.
    """
    for row in reservations:
        agree(lost, row, "user_id")
        if row.status in (Status.TEMP, Status.CONFIRMED):
            raise ContradictedError(f"the hold of payment {row.payment_id} is {row.status.lower()}, and not over")
    if any(row.status == Status.REJECTED or row.checkout_id for row in reservations):
        return None
    for row in reservations:
        row.close(lost.reason)
    # What took its time may name another reason than the one for which the hold was over, which its user sees.
    return reservation.Closed.after(lost, reason=reservations[0].reason or lost.reason) if reservations else None


@service.lapse(open_)
def expire(reservations: Reservations, now: datetime) -> reservation.Expired | reservation.GivenUp | None:
    """Give up a hold whose time is up or that nobody has opened; say so again until everything is given back.

    Whoever finds the rows first has them, this clock, `open_` or a checkout, so nobody else needs to be asked.
    """
    if not reservations or not all(row.is_due(now) for row in reservations):
        return None
    for row in reservations:
        row.expire(now)
    return _over(reservations)


@service.lapse(open_)
def give_up(reservations: Reservations, now: datetime) -> reservation.GivenUp | None:
    """Give a hold back that its user does not want any more, unless it is over, or a checkout has it."""
    return _given_up(reservations, "given-up", now)


@service.lapse(open_)
def revoke(revoked: seat.Revoked, reservations: Reservations, now: datetime) -> reservation.GivenUp | None:
    """Give up a hold whose seats cannot be had any more. One that a checkout has waits for how that ends.

    seat_svc says it again as long as the payment has seats.
    """
    return _given_up(reservations, revoked.reason, now)


@service.step
def confirm(
    spent: point.Spent, reservations: Reservations, now: datetime
) -> reservation.Confirmed | reservation.Rejected | None:
    """Make the reservation of the paid seats final, once, whatever was given back since."""
    if reservations and all(row.was_confirmed_by(spent.checkout_id) for row in reservations):
        return None
    if reason := _objection(spent, reservations, now):
        return reservation.Rejected.after(spent, reason=reason)
    for row in reservations:
        row.confirm(spent.checkout_id)
    return reservation.Confirmed.after(spent, seat_ids=tuple(row.seat_id for row in reservations))


@service.undo(confirm)
def revert(lost: payment.Rejected | payment.Reverted, reservations: Reservations) -> reservation.Reverted:
    """Take back what `confirm` did, or see to it that it never does; the user still holds the seats."""
    for row in reservations:
        agree(lost, row, "user_id")
        row.revert(lost.checkout_id)
    return reservation.Reverted.after(lost)


@service.reversal(confirm)
def cancel(vacated: seat.Vacated, reservations: Reservations) -> reservation.Cancelled:
    """Take back the reservation of a completed checkout, whose seats were given back. It answers every time."""
    for row in reservations:
        agree(vacated, row, "user_id")
        if not row.was_confirmed_by(vacated.checkout_id):
            raise ContradictedError(f"checkout {vacated.checkout_id} has no reservation of payment {row.payment_id}")
    if {row.seat_id for row in reservations} != set(vacated.seat_ids):
        raise ContradictedError(f"other seats of payment {vacated.payment_id} were given back than are reserved")
    for row in reservations:
        row.cancel(vacated.reason)
    return reservation.Cancelled.after(vacated, amount=sum(row.price or 0 for row in reservations))


service.shows("reservation", {reservation.Opened: "temp", reservation.Closed: "rejected, expired or cancelled"})


def _over(reservations: list[Reservation]) -> reservation.Expired | reservation.GivenUp:
    """What there is to say of a hold that is over, for the first time or again."""
    if reservations[0].status == Status.CANCELLED:
        return _said(reservation.GivenUp, reservations)
    return _said(reservation.Expired, reservations)


def _said(over: type[Over], reservations: list[Reservation]) -> Over:
    first = reservations[0]
    return over(
        payment_id=first.payment_id,
        user_id=first.user_id,
        seat_ids=tuple(row.seat_id for row in reservations),
        reason=first.reason or "hold-expired",
    )


def _given_up(reservations: list[Reservation], reason: str, now: datetime) -> reservation.GivenUp | None:
    if not reservations or not all(row.is_on_its_way for row in reservations):
        return None
    for row in reservations:
        row.give_up(reason, now)
    return _said(reservation.GivenUp, reservations)


def _objection(spent: point.Spent, reservations: list[Reservation], now: datetime) -> str | None:
    """Why the reservation cannot be confirmed, if so."""
    if not reservations:
        return "unknown-reservation"
    if any(row.user_id != spent.user_id for row in reservations):
        return "foreign-reservation"
    if spent.is_late(now) or any(row.undone_id == spent.checkout_id for row in reservations):
        return "deadline-passed"
    if any(row.status == Status.CONFIRMED for row in reservations):
        return "already-confirmed"
    if cancelled := [row for row in reservations if row.status == Status.CANCELLED]:
        return cancelled[0].reason or "not-held"
    if any(row.status not in (Status.TEMP, Status.EXPIRED) for row in reservations):
        return "not-held"
    if any(not row.is_open(now) for row in reservations):
        return "hold-expired"
    if sum(row.price or 0 for row in reservations) != spent.amount:
        return "wrong-amount"
    return None
