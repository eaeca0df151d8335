"""Steps that lack one of their guards, as a careless change might leave them."""

from datetime import datetime
from typing import Any
from uuid import uuid5

from contracts import payment, point, refund, reservation, seat
from contracts.refund import Asker
from contracts.seat import PricedSeat
from payment_svc.models import Payment, PaymentStatus
from payment_svc.steps import give_back
from point_svc.models import EntryType, PointHistory, Wallet
from reservation_svc.models import Reservation, Status
from reservation_svc.steps import expire
from seat_svc.models import ConcertDate, Seat, Vacancy
from seat_svc.steps import RefundPolicy, revoke, vacate, vouch


def refund_without_ledger(
    lost: reservation.Rejected | reservation.Reverted, wallet: Wallet, history: list[PointHistory], **_: Any
) -> Any:
    """As `point_svc.steps.refund`, but it does not ask whether it was done before."""
    amount = next(entry.amount for entry in history if entry.type == EntryType.USE)
    return point.Refunded.after(lost, amount=amount), wallet.refund(amount, lost.checkout_id)


def expire_without_judging(reservations: list[Reservation], now: datetime) -> Any:
    """As `reservation_svc.steps.expire`, but it takes the hold from a checkout that was faster."""
    for row in reservations:
        if row.status == Status.CONFIRMED and row.checkout_id:
            row.revert(row.checkout_id)
    return expire(reservations, now)


def hold_without_looking(request: reservation.Requested, seats: list[Seat], now: datetime) -> Any:
    """As `seat_svc.steps.hold`, but it takes a seat from whoever has it."""
    for row in seats:
        row.hold(request.payment_id)
    return seat.Held.after(request, seats=tuple(PricedSeat(seat_id=row.seat_id, price=row.price) for row in seats))


def pay_without_looking(confirmed: reservation.Confirmed, owed: Payment, now: datetime) -> Any:
    """As `payment_svc.steps.pay`, but it asks nothing."""
    owed.pay(now)
    return payment.Paid.after(confirmed)


def repay_without_ledger(
    cancelled: reservation.Cancelled, payers: list[Wallet], **_: Any
) -> tuple[point.Repaid, list[PointHistory]]:
    """As `point_svc.steps.repay`, but it does not ask whether it was done before."""
    return point.Repaid.after(cancelled), [payers[0].refund(cancelled.amount, cancelled.checkout_id)]


def vacate_without_memory(
    request: refund.Requested,
    seats: list[Seat],
    evenings: list[ConcertDate],
    decided: Vacancy | None,
    policy: RefundPolicy,
    now: datetime,
) -> Any:
    """As `seat_svc.steps.vacate`, but it decides each time anew."""
    event, new = vacate(request, seats, evenings, None, policy, now) or (None, None)
    return event, [new] if decided is None else []


def vouch_without_memory(
    overdue: refund.Overdue,
    seats: list[Seat],
    evenings: list[ConcertDate],
    decided: Vacancy | None,
    policy: RefundPolicy,
    now: datetime,
) -> Any:
    """As `seat_svc.steps.vouch`, but it decides each time anew."""
    event, new = vouch(overdue, seats, evenings, None, policy, now)
    return event, new if decided is None else []


def give_up_without_judging(reservations: list[Reservation], now: datetime) -> Any:
    """As `reservation_svc.steps.give_up`, but it takes the hold from a checkout, too."""
    return _given_up(reservations, "given-up", now)


def revoke_hold_without_judging(revoked: seat.Revoked, reservations: list[Reservation], now: datetime) -> Any:
    """As `reservation_svc.steps.revoke`, but it does not wait for how a checkout ends."""
    return _given_up(reservations, revoked.reason, now)


def _given_up(reservations: list[Reservation], reason: str, now: datetime) -> reservation.GivenUp | None:
    live = [row for row in reservations if row.status in (Status.REQUESTED, Status.TEMP, Status.CONFIRMED)]
    if not live:
        return None
    for row in live:
        row.give_up(reason, now)
    (first, *_) = live
    seat_ids = tuple(row.seat_id for row in live)
    return reservation.GivenUp(payment_id=first.payment_id, user_id=first.user_id, seat_ids=seat_ids, reason=reason)


def revoke_payment_without_waiting(revoked: seat.Revoked, owed: Payment | None, now: datetime, **_: Any) -> Any:
    """As `payment_svc.steps.revoke`, but it does not wait until the checkout has ended."""
    if owed is None or owed.status != PaymentStatus.PAID:
        return None
    return give_back(
        owed, uuid5(owed.refund_id or owed.payment_id, revoked.reason), Asker.OPERATOR, revoked.reason, now
    )


def revoke_once(seats: list[Seat], now: datetime) -> Any:
    """As `seat_svc.steps.revoke`, but it takes for granted that it is heard and heeded."""
    said = revoke(seats, now)
    for row in seats:
        row.revoke_at = None
    return said


def chase_nothing(_wanted: Any, _now: datetime) -> None:
    """As `payment_svc.steps.chase_refund`, but it never asks."""
