"""What seat_svc does in a hold and in a checkout."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts import checkout, payment, reservation, seat
from seat_svc.models import Seat, SeatStatus, Vacancy
from seat_svc.steps import decide, hold, release, reserve, service
from tests.unit.examples import DEADLINE, NOW, OTHER_CHECKOUT_ID, OTHER_PAYMENT_ID, PAYMENT_ID, an, seats

AVAILABLE, OCCUPIED = SeatStatus.AVAILABLE, SeatStatus.OCCUPIED
RESERVED, WITHDRAWN = SeatStatus.RESERVED, SeatStatus.WITHDRAWN
BY_ANOTHER = {"holder": OTHER_PAYMENT_ID}


def one_of_two(status: SeatStatus, other: SeatStatus, **changes: Any) -> list[Seat]:
    """Seat 1 in one state, seat 2 in another."""
    return [seats(status)[0], seats(other, **changes)[1]]


def snapshot(rows: list[Seat]) -> list[dict[str, object]]:
    """Everything that the rows say."""
    return [row.model_dump() for row in rows]


def test_hold_occupies_the_seats() -> None:
    """All seats are held in the name of the payment, and their prices are said."""
    # given
    rows = seats(AVAILABLE)
    # when
    outcome = hold(an(reservation.Requested), rows, NOW)
    # then
    assert outcome == an(seat.Held)
    assert {(row.status, row.holder) for row in rows} == {(OCCUPIED, PAYMENT_ID)}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "unknown-seat"),
        (seats(AVAILABLE)[:1], "unknown-seat"),
        (one_of_two(AVAILABLE, OCCUPIED, **BY_ANOTHER), "seat-taken"),
        (one_of_two(AVAILABLE, RESERVED, **BY_ANOTHER), "seat-taken"),
        (seats(RESERVED, **BY_ANOTHER), "seat-taken"),
        (one_of_two(AVAILABLE, WITHDRAWN, holder=None), "seat-withdrawn"),
        (one_of_two(OCCUPIED, WITHDRAWN, holder=None), "seat-withdrawn"),
    ],
)
def test_hold_takes_all_seats_or_none(rows: list[Seat], reason: str) -> None:
    """One seat that cannot be had is enough to refuse, and nothing changes."""
    # given
    before = snapshot(rows)
    # when
    outcome = hold(an(reservation.Requested), rows, NOW)
    # then
    assert outcome == an(seat.HoldRejected, reason=reason)
    assert snapshot(rows) == before


def test_hold_refuses_a_late_request() -> None:
    """After its deadline a request occupies nothing, so that one which is forgotten and comes again does no harm."""
    # given
    rows = seats(AVAILABLE)
    before = snapshot(rows)
    # when
    outcome = hold(an(reservation.Requested), rows, DEADLINE)
    # then
    assert outcome == an(seat.HoldRejected, reason="deadline-passed")
    assert snapshot(rows) == before


@pytest.mark.parametrize("rows", [seats(OCCUPIED), seats(RESERVED), one_of_two(OCCUPIED, WITHDRAWN)])
@pytest.mark.parametrize("now", [NOW, DEADLINE])
def test_hold_happens_once(rows: list[Seat], now: datetime) -> None:
    """What this payment has, held or sold or withdrawn meanwhile, it is neither given nor refused again."""
    # given
    before = snapshot(rows)
    # when
    outcome = hold(an(reservation.Requested), rows, now)
    # then
    assert outcome is None
    assert snapshot(rows) == before


@pytest.mark.parametrize("lost", [an(payment.PublishRejected), an(payment.Cancelled)], ids=lambda event: event.name)
def test_release_restores_what_was_before_hold(lost: payment.PublishRejected | payment.Cancelled) -> None:
    """The seats are anybody's again."""
    # given
    rows = seats(AVAILABLE)
    before = snapshot(rows)
    hold(an(reservation.Requested), rows, NOW)
    # when
    outcome = release(lost, rows)
    # then
    assert outcome == an(seat.Released)
    assert snapshot(rows) == before


def test_release_leaves_a_withdrawn_seat_withdrawn() -> None:
    """The seat has no holder any more, and is still off sale."""
    # given
    rows = one_of_two(OCCUPIED, WITHDRAWN)
    # when
    outcome = release(an(payment.Cancelled), rows)
    # then
    assert outcome == an(seat.Released)
    assert [(row.status, row.holder) for row in rows] == [(AVAILABLE, None), (WITHDRAWN, None)]


@pytest.mark.parametrize("rows", [[], seats(AVAILABLE), seats(OCCUPIED, **BY_ANOTHER), seats(RESERVED, **BY_ANOTHER)])
def test_release_leaves_alone_what_is_not_held_by_it(rows: list[Seat]) -> None:
    """What is free or somebody else's stays as it is; it answers, so that the way back goes on."""
    # given
    before = snapshot(rows)
    # when
    outcome = release(an(payment.Cancelled), rows)
    # then
    assert outcome == an(seat.Released)
    assert snapshot(rows) == before


def test_release_leaves_alone_what_is_sold() -> None:
    """Nothing undoes a sale."""
    # given
    rows = seats(RESERVED)
    before = snapshot(rows)
    # when
    outcome = release(an(payment.Cancelled), rows)
    # then
    assert outcome is None
    assert snapshot(rows) == before


def test_decide_says_again_what_is_sold() -> None:
    """Sold is sold, however late somebody asks."""
    # given
    rows = seats(RESERVED)
    before = snapshot(rows)
    # when
    outcome = decide(an(checkout.Overdue), rows, DEADLINE)
    # then
    assert outcome == an(seat.Reserved)
    assert snapshot(rows) == before


def test_decide_says_what_the_seats_cost() -> None:
    """Whoever asks may be wrong about the amount; the prices are its own."""
    assert decide(an(checkout.Overdue, amount=1), seats(RESERVED), DEADLINE) == an(seat.Reserved)


@pytest.mark.parametrize("rows", [[], seats(), one_of_two(OCCUPIED, WITHDRAWN)])
def test_decide_refuses_for_good(rows: list[Seat]) -> None:
    """What was not sold in time is not sold to this checkout any more, even when its payment seems to be in time."""
    # when
    outcome = decide(an(checkout.Overdue), rows, DEADLINE)
    # then
    assert outcome == an(seat.Rejected, reason="deadline-passed")
    paid = reserve(an(payment.Paid), rows, NOW)
    assert isinstance(paid, seat.Rejected)
    assert RESERVED not in {row.status for row in rows}


def test_decide_does_not_keep_the_holder_from_trying_again() -> None:
    """The seats are refused to one checkout, not to the payment."""
    # given
    rows = seats()
    decide(an(checkout.Overdue), rows, DEADLINE)
    other = an(payment.Paid, checkout_id=OTHER_CHECKOUT_ID)
    # when
    outcome = reserve(other, rows, NOW)
    # then
    assert outcome == an(seat.Reserved, checkout_id=OTHER_CHECKOUT_ID)


def test_decide_waits_until_it_is_late_here_too() -> None:
    """A clock does not decide alone."""
    # given
    rows = seats()
    before = snapshot(rows)
    # when
    outcome = decide(an(checkout.Overdue), rows, DEADLINE - timedelta(microseconds=1))
    # then
    assert outcome is None
    assert snapshot(rows) == before


def test_reserve_sells_the_seats() -> None:
    """The seats are the payment's for good."""
    # given
    rows = seats()
    # when
    outcome = reserve(an(payment.Paid), rows, NOW)
    # then
    assert outcome == an(seat.Reserved)
    assert {(row.status, row.holder) for row in rows} == {(RESERVED, PAYMENT_ID)}


def test_no_step_takes_the_row_of_an_evening() -> None:
    """All sales of an evening would wait for each other, in whatever process they are made."""
    locked = {rows.model for step in service.steps for rows in step.rows if rows.locked}
    assert locked == {Seat, Vacancy}


@pytest.mark.parametrize(
    ("rows", "now", "reason"),
    [
        ([], NOW, "unknown-seat"),
        (seats()[:1], NOW, "unknown-seat"),
        (one_of_two(OCCUPIED, WITHDRAWN), NOW, "seat-withdrawn"),
        (one_of_two(OCCUPIED, AVAILABLE), NOW, "seat-lost"),
        (one_of_two(OCCUPIED, OCCUPIED, **BY_ANOTHER), NOW, "seat-lost"),
        (one_of_two(OCCUPIED, RESERVED, **BY_ANOTHER), NOW, "seat-lost"),
        (seats(price=60), NOW, "wrong-amount"),
        (seats(), DEADLINE, "deadline-passed"),
    ],
)
def test_reserve_refuses_with_a_reason(rows: list[Seat], now: datetime, reason: str) -> None:
    """One seat that cannot be sold is enough to refuse, and nothing changes."""
    # given
    before = snapshot(rows)
    # when
    outcome = reserve(an(payment.Paid), rows, now)
    # then
    assert outcome == an(seat.Rejected, reason=reason)
    assert snapshot(rows) == before


def test_reserve_happens_once() -> None:
    """What this payment has bought is bought, however late it is heard of again."""
    # given
    rows = seats(RESERVED)
    before = snapshot(rows)
    # when
    outcome = reserve(an(payment.Paid), rows, DEADLINE)
    # then
    assert outcome is None
    assert snapshot(rows) == before


@pytest.mark.parametrize(("before", "after"), [(AVAILABLE, AVAILABLE), (OCCUPIED, OCCUPIED)])
def test_a_withdrawn_seat_returns_to_whoever_holds_it(before: SeatStatus, after: SeatStatus) -> None:
    """The holder is remembered while the seat is off sale."""
    # given
    row = seats(before)[0]
    row.withdraw()
    assert row.status == WITHDRAWN
    # when
    row.put_back()
    # then
    assert (row.status, row.holder) == (after, PAYMENT_ID if after == OCCUPIED else None)
