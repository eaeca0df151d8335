"""What reservation_svc does in a checkout."""

from datetime import datetime

import pytest

from contracts import payment, point, reservation
from reservation_svc.models import Reservation, Status
from reservation_svc.steps import confirm, revert
from tests.unit.examples import (
    CHECKOUT_ID,
    DEADLINE,
    EXPIRES_AT,
    NOW,
    OTHER_CHECKOUT_ID,
    an,
    reservations,
)

BY_ANOTHER = {"checkout_id": OTHER_CHECKOUT_ID}


def snapshot(rows: list[Reservation]) -> list[dict[str, object]]:
    """Everything that the rows say."""
    return [row.model_dump() for row in rows]


def test_confirm_takes_the_reservation() -> None:
    """All seats are the checkout's, and those who follow are told which."""
    # given
    rows = reservations(Status.TEMP)
    # when
    outcome = confirm(an(point.Spent), rows, NOW)
    # then
    assert outcome == an(reservation.Confirmed)
    assert {(row.status, row.checkout_id) for row in rows} == {(Status.CONFIRMED, CHECKOUT_ID)}


@pytest.mark.parametrize(
    ("rows", "now", "reason"),
    [
        ([], NOW, "unknown-reservation"),
        (reservations(user_id="bob"), NOW, "foreign-reservation"),
        (reservations(), DEADLINE, "deadline-passed"),
        (reservations(Status.CONFIRMED, **BY_ANOTHER), NOW, "already-confirmed"),
        (reservations(Status.REQUESTED), NOW, "not-held"),
        (reservations(Status.REJECTED), NOW, "not-held"),
        (reservations(Status.CANCELLED), NOW, "not-held"),
        (reservations(Status.EXPIRED), NOW, "hold-expired"),
        (reservations(expires_at=NOW), NOW, "hold-expired"),
        (reservations(price=60), NOW, "wrong-amount"),
        (reservations(price=None), NOW, "wrong-amount"),
    ],
)
def test_confirm_refuses_with_a_reason(rows: list[Reservation], now: datetime, reason: str) -> None:
    """What does not match is refused, and left as it is."""
    # given
    before = snapshot(rows)
    # when
    outcome = confirm(an(point.Spent), rows, now)
    # then
    assert outcome == an(reservation.Rejected, reason=reason)
    assert snapshot(rows) == before


def test_confirm_takes_all_seats_or_none() -> None:
    """One seat whose hold is over is enough to refuse."""
    # given
    rows = [reservations()[0], reservations(Status.EXPIRED)[1]]
    # when
    outcome = confirm(an(point.Spent), rows, NOW)
    # then
    assert outcome == an(reservation.Rejected, reason="hold-expired")
    assert [row.status for row in rows] == [Status.TEMP, Status.EXPIRED]


def test_confirm_happens_once() -> None:
    """What this checkout has confirmed is confirmed, even when it is asked too late."""
    # given
    rows = reservations(Status.CONFIRMED)
    # when
    outcome = confirm(an(point.Spent), rows, EXPIRES_AT)
    # then
    assert outcome is None


@pytest.mark.parametrize("lost", [an(payment.Rejected), an(payment.Reverted)], ids=lambda event: event.name)
def test_revert_restores_what_was_before_confirm(lost: payment.Rejected | payment.Reverted) -> None:
    """The hold stands as before, and its clock has never stopped."""
    # given
    rows = reservations(Status.TEMP)
    before = snapshot(rows)
    confirm(an(point.Spent), rows, NOW)
    # when
    outcome = revert(lost, rows)
    # then
    assert outcome == an(reservation.Reverted)
    assert snapshot(rows) == [row | {"undone_id": CHECKOUT_ID} for row in before]


@pytest.mark.parametrize("rows", [[], reservations(Status.CONFIRMED, **BY_ANOTHER)])
def test_revert_leaves_alone_what_is_not_its_own(rows: list[Reservation]) -> None:
    """What another checkout has confirmed, it cannot take back; it answers, so that the way back goes on."""
    # given
    before = snapshot(rows)
    # when
    outcome = revert(an(payment.Reverted), rows)
    # then
    assert outcome == an(reservation.Reverted)
    assert snapshot(rows) == before


@pytest.mark.parametrize("status", [Status.TEMP, Status.EXPIRED])
def test_revert_of_what_was_never_confirmed_sees_to_it_that_it_never_is(status: Status) -> None:
    """Points that are spent after it are too late, whatever the clock says; another checkout is not."""
    # given
    rows = reservations(status)
    # when
    outcome = revert(an(payment.Reverted), rows)
    # then
    assert outcome == an(reservation.Reverted)
    assert {row.status for row in rows} == {status}
    assert confirm(an(point.Spent), rows, NOW) == an(reservation.Rejected, reason="deadline-passed")
    if status is Status.TEMP:
        other = an(point.Spent, **BY_ANOTHER)
        assert confirm(other, rows, NOW) == an(reservation.Confirmed, **BY_ANOTHER)
