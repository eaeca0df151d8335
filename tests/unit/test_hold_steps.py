"""What reservation_svc does to hold seats: asking, opening, closing, and the clock."""

from datetime import datetime, timedelta

import pytest

from contracts import payment, reservation, seat
from contracts.event import overdue_at
from contracts.seat import PricedSeat
from reservation_svc.models import Reservation, Status
from reservation_svc.steps import HoldPolicy, expire, open_, reject, request
from tests.unit.examples import DEADLINE, EXPIRES_AT, NOW, PAYMENT_ID, PRICES, an, reservations

POLICY = HoldPolicy(duration=EXPIRES_AT - NOW, patience=DEADLINE - NOW)


def states(rows: list[Reservation]) -> set[tuple[Status, str | None]]:
    """What the rows say, with their reason."""
    return {(row.status, row.reason) for row in rows}


def test_request_asks_for_all_seats() -> None:
    """One row per seat, grouped by the payment that is to pay for them."""
    # when
    event, rows = request(PAYMENT_ID, "ann", [1, 2], DEADLINE)
    # then
    assert event == an(reservation.Requested)
    assert [row.seat_id for row in rows] == [1, 2]
    assert {(row.payment_id, row.user_id, row.status) for row in rows} == {(PAYMENT_ID, "ann", Status.REQUESTED)}
    assert {(row.price, row.expires_at, row.checkout_id) for row in rows} == {(None, None, None)}
    assert {row.ask_at for row in rows} == {overdue_at(DEADLINE)}


def test_open_starts_the_clock() -> None:
    """Each seat has its price, and all the same end."""
    # given
    rows = reservations(Status.REQUESTED)
    # when
    outcome = open_(an(payment.Published), rows, POLICY, NOW)
    # then
    assert outcome == an(reservation.Opened, expires_at=EXPIRES_AT)
    assert {(row.status, row.expires_at, row.ask_at) for row in rows} == {(Status.TEMP, EXPIRES_AT, None)}
    assert {row.seat_id: row.price for row in rows} == PRICES


def test_open_takes_each_price_by_its_seat() -> None:
    """The order in which prices arrive does not matter."""
    # given
    rows = reservations(Status.REQUESTED)
    backwards = tuple(PricedSeat(seat_id=key, price=price) for key, price in reversed(PRICES.items()))
    # when
    open_(an(payment.Published, seats=backwards), rows, POLICY, NOW)
    # then
    assert {row.seat_id: row.price for row in rows} == PRICES


@pytest.mark.parametrize("status", [Status.TEMP, Status.CONFIRMED])
def test_open_happens_once(status: Status) -> None:
    """What is open stays as it is; its clock does not start again."""
    # given
    rows = reservations(status, expires_at=NOW)
    # when
    outcome = open_(an(payment.Published), rows, POLICY, NOW)
    # then
    assert outcome is None
    assert {(row.status, row.expires_at) for row in rows} == {(status, NOW)}


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.REJECTED])
def test_open_of_a_hold_that_is_over_gives_it_back(status: Status) -> None:
    """A payment that comes after the end is withdrawn again, and the seats with it."""
    # given
    rows = reservations(status, reason="deadline-passed")
    # when
    outcome = open_(an(payment.Published), rows, POLICY, NOW)
    # then
    assert outcome == an(reservation.Expired, reason="deadline-passed")
    assert states(rows) == {(status, "deadline-passed")}


def test_open_without_a_reservation_does_nothing() -> None:
    """There is nothing to open where nobody asked."""
    assert open_(an(payment.Published), [], POLICY, NOW) is None


@pytest.mark.parametrize("lost", [an(seat.HoldRejected), an(seat.Released)], ids=lambda event: event.name)
def test_reject_closes_a_request(lost: seat.HoldRejected | seat.Released) -> None:
    """The reservation ends with the reason that came along."""
    # given
    rows = reservations(Status.REQUESTED)
    # when
    outcome = reject(lost, rows)
    # then
    assert outcome == an(reservation.Closed)
    assert states(rows) == {(Status.REJECTED, "some-reason")}


def test_reject_leaves_an_expired_hold_expired() -> None:
    """A hold that ran out of time is over, for the reason that it had."""
    # given
    rows = reservations(Status.EXPIRED, reason="hold-expired", ask_at=NOW)
    # when
    outcome = reject(an(seat.Released, reason="hold-expired"), rows)
    # then
    assert outcome == an(reservation.Closed, reason="hold-expired")
    assert states(rows) == {(Status.EXPIRED, "hold-expired")}
    assert {row.ask_at for row in rows} == {None}


def test_reject_without_a_reservation_does_nothing() -> None:
    """There is nothing to close where nobody asked."""
    assert reject(an(seat.HoldRejected), []) is None


@pytest.mark.parametrize("now", [EXPIRES_AT, EXPIRES_AT + timedelta(days=1)])
def test_expire_gives_up_a_hold_whose_time_is_up(now: datetime) -> None:
    """The end of the hold itself is too late."""
    # given
    rows = reservations(Status.TEMP)
    # when
    outcome = expire(rows, now)
    # then
    assert outcome == an(reservation.Expired, reason="hold-expired")
    assert states(rows) == {(Status.EXPIRED, "hold-expired")}


def test_expire_waits_for_the_time() -> None:
    """A microsecond before its end a hold stands."""
    # given
    rows = reservations(Status.TEMP)
    # when
    outcome = expire(rows, EXPIRES_AT - timedelta(microseconds=1))
    # then
    assert outcome is None
    assert states(rows) == {(Status.TEMP, None)}


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.TEMP])
def test_expire_yields_to_whoever_was_faster(status: Status) -> None:
    """Only what is found TEMP can expire."""
    # given
    rows = reservations(status, expires_at=NOW)
    # when
    outcome = expire(rows, EXPIRES_AT)
    # then
    assert outcome is None
    assert states(rows) == {(status, None)}


def test_expire_gives_up_a_hold_that_nobody_has_opened() -> None:
    """A request that is long past its deadline is over; whatever was taken for it is given back."""
    # given
    due = overdue_at(DEADLINE)
    rows = reservations(Status.REQUESTED, ask_at=due)
    # when
    early, outcome = expire(rows, due - timedelta(microseconds=1)), expire(rows, due)
    # then
    assert early is None
    assert outcome == an(reservation.Expired, reason="deadline-passed")
    assert states(rows) == {(Status.EXPIRED, "deadline-passed")}
    assert {row.expires_at for row in rows} == {due}


def test_expire_says_so_again_until_the_hold_is_closed() -> None:
    """Less and less often, and not any more once everything is given back."""
    # given
    rows = reservations(Status.TEMP)
    pauses, now = [], EXPIRES_AT
    # when
    for _ in range(10):
        assert expire(rows, now) == an(reservation.Expired, reason="hold-expired")
        (again,) = {row.ask_at for row in rows}
        assert again is not None
        assert expire(rows, again - timedelta(microseconds=1)) is None
        pauses.append(again - now)
        now = again
    reject(an(seat.Released), rows)
    # then
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (timedelta(seconds=30), timedelta(minutes=10))
    assert expire(rows, now + timedelta(days=1)) is None


def test_expire_takes_all_seats_or_none() -> None:
    """One confirmed seat is enough to leave the hold alone."""
    # given
    rows = [reservations(Status.TEMP)[0], reservations(Status.CONFIRMED)[1]]
    # when
    outcome = expire(rows, EXPIRES_AT)
    # then
    assert outcome is None
    assert [row.status for row in rows] == [Status.TEMP, Status.CONFIRMED]


def test_expire_without_a_reservation_does_nothing() -> None:
    """No rows, no hold."""
    assert expire([], EXPIRES_AT) is None
