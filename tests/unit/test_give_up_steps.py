"""What reservation_svc does with holds that nobody wants or can have any more, and with what is refunded."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from chassis import ContradictedError
from contracts import payment, point, reservation, seat
from reservation_svc.models import Reservation, Status
from reservation_svc.steps import HoldPolicy, cancel, confirm, expire, give_up, open_, reject, revoke
from tests.unit.examples import CHECKOUT_ID, EXPIRES_AT, NOW, OTHER_CHECKOUT_ID, TOTAL, an, reservations

POLICY = HoldPolicy(duration=EXPIRES_AT - NOW, patience=timedelta(minutes=1))
ON_ITS_WAY = [Status.REQUESTED, Status.TEMP]
NOT_ON_ITS_WAY = [status for status in Status if status not in ON_ITS_WAY]
SAID_AGAIN = NOW + timedelta(seconds=30)
ASKED = NOW + timedelta(minutes=1)
"""When the clock asks about a hold that nobody has answered"""


def snapshot(rows: list[Reservation]) -> list[dict[str, object]]:
    """Everything that the rows say."""
    return [row.model_dump() for row in rows]


def on_its_way(status: Status) -> list[Reservation]:
    """A hold that is not paid, with its clock."""
    return reservations(status, ask_at=ASKED if status is Status.REQUESTED else None)


def given_up(reason: str = "given-up", status: Status = Status.TEMP) -> list[Reservation]:
    """A hold that was given up now."""
    rows = on_its_way(status)
    for row in rows:
        row.give_up(reason, NOW)
    return rows


def refunded() -> list[Reservation]:
    """What ann's checkout had confirmed, and was given back."""
    return reservations(Status.CANCELLED, checkout_id=CHECKOUT_ID, reason="some-reason")


@pytest.mark.parametrize("status", ON_ITS_WAY)
def test_give_up_ends_a_hold_that_is_not_paid(status: Status) -> None:
    """Whether it is open yet or not, everything is to be given back, and the clock asks until it is.

    Seats that were asked for may be held until the deadline, so the clock asks when it would have asked anyway.
    """
    # given
    rows = on_its_way(status)
    # when
    outcome = give_up(rows, NOW)
    # then
    assert outcome == an(reservation.GivenUp, reason="given-up")
    assert {(row.status, row.reason) for row in rows} == {(Status.CANCELLED, "given-up")}
    over, asks = (ASKED, ASKED) if status is Status.REQUESTED else (NOW, SAID_AGAIN)
    assert {(row.expires_at, row.ask_at) for row in rows} == {(over, asks)}


@pytest.mark.parametrize("status", NOT_ON_ITS_WAY)
def test_give_up_yields_to_whoever_was_faster(status: Status) -> None:
    """What is over, or a checkout has, stays as it is."""
    # given
    rows = reservations(status)
    before = snapshot(rows)
    # when
    outcome = give_up(rows, NOW)
    # then
    assert outcome is None
    assert snapshot(rows) == before


def test_give_up_takes_all_seats_or_none() -> None:
    """One confirmed seat is enough to leave the hold alone."""
    # given
    rows = [reservations(Status.TEMP)[0], reservations(Status.CONFIRMED)[1]]
    # when
    outcome = give_up(rows, NOW)
    # then
    assert outcome is None
    assert [row.status for row in rows] == [Status.TEMP, Status.CONFIRMED]


def test_give_up_without_a_reservation_does_nothing() -> None:
    """No rows, no hold."""
    assert give_up([], NOW) is None


@pytest.mark.parametrize("status", ON_ITS_WAY)
def test_revoke_ends_a_hold_for_the_reason_that_it_hears(status: Status) -> None:
    """The fan sees why."""
    # given
    rows = reservations(status)
    # when
    outcome = revoke(an(seat.Revoked, reason="called-off"), rows, NOW)
    # then
    assert outcome == an(reservation.GivenUp, reason="called-off")
    assert {(row.status, row.reason) for row in rows} == {(Status.CANCELLED, "called-off")}


@pytest.mark.parametrize("rows", [[], *(reservations(status) for status in NOT_ON_ITS_WAY)])
def test_revoke_waits_for_the_end_of_a_checkout(rows: list[Reservation]) -> None:
    """What a checkout has is its own, until it is undone or refunded; what is over is over."""
    # given
    before = snapshot(rows)
    # when
    outcome = revoke(an(seat.Revoked), rows, NOW)
    # then
    assert outcome is None
    assert snapshot(rows) == before


@pytest.mark.parametrize(("status", "asks"), [(Status.REQUESTED, ASKED), (Status.TEMP, SAID_AGAIN)])
def test_given_up_hold_is_said_again_until_it_is_closed(status: Status, asks: datetime) -> None:
    """The clock asks for it as for one that ran out of time, and says what was said."""
    # given
    rows = given_up("called-off", status)
    # when
    early, outcome = expire(rows, asks - timedelta(microseconds=1)), expire(rows, asks)
    # then
    assert early is None
    assert outcome == an(reservation.GivenUp, reason="called-off")
    assert {row.status for row in rows} == {Status.CANCELLED}
    reject(an(seat.Released, reason="called-off"), rows)
    assert expire(rows, NOW + timedelta(days=1)) is None


def test_seats_that_are_held_after_all_are_given_back() -> None:
    """The answer to what was given up may have overtaken the request: the clock asks once more."""
    # given
    rows = given_up(status=Status.REQUESTED)
    # when
    outcome = reject(an(seat.Released, reason="given-up"), rows)
    # then
    assert outcome == an(reservation.Closed, reason="given-up")
    assert expire(rows, ASKED) == an(reservation.GivenUp, reason="given-up")


@pytest.mark.parametrize("lost", [an(seat.HoldRejected), an(seat.Released)], ids=lambda event: event.name)
@pytest.mark.parametrize("way", [give_up, expire])
def test_hold_that_was_refused_meanwhile_is_closed_for_the_reason_that_it_has(
    lost: seat.HoldRejected | seat.Released,
    way: Callable[[list[Reservation], datetime], reservation.GivenUp | reservation.Expired | None],
) -> None:
    """What the platform is told is what the fan sees, whichever answer comes first."""
    # given
    rows = on_its_way(Status.REQUESTED)
    over = way(rows, ASKED)
    # when
    outcome = reject(lost, rows)
    # then
    assert over is not None
    assert lost.reason != over.reason
    assert outcome == an(reservation.Closed, reason=over.reason)
    assert {row.reason for row in rows} == {over.reason}


def test_payment_that_comes_after_the_end_is_withdrawn_again() -> None:
    """A hold that was given up before it was opened is said to be over once more."""
    # given
    rows = given_up(status=Status.REQUESTED)
    # when
    outcome = open_(an(payment.Published), rows, POLICY, NOW)
    # then
    assert outcome == an(reservation.GivenUp, reason="given-up")
    assert {row.status for row in rows} == {Status.CANCELLED}


def test_reject_closes_what_was_given_up() -> None:
    """It stays cancelled, for the reason that it had."""
    # given
    rows = given_up()
    assert not any(row.is_closed for row in rows)
    # when
    outcome = reject(an(seat.Released, reason="given-up"), rows)
    # then
    assert outcome == an(reservation.Closed, reason="given-up")
    assert {(row.status, row.reason, row.ask_at) for row in rows} == {(Status.CANCELLED, "given-up", None)}
    assert all(row.is_closed for row in rows)


@pytest.mark.parametrize("status", Status)
def test_nothing_is_closed_that_may_still_go_back(status: Status) -> None:
    """What is requested, open or bought is not; of the rest, nothing is as long as the clock asks."""
    over = status in (Status.REJECTED, Status.EXPIRED, Status.CANCELLED)
    assert {row.is_closed for row in reservations(status)} == {over}
    assert {row.is_closed for row in reservations(status, ask_at=NOW)} == {False}


@pytest.mark.parametrize("reason", ["given-up", "called-off"])
def test_confirm_refuses_what_was_given_up(reason: str) -> None:
    """A checkout that was under way fails for the reason of the hold."""
    # given
    rows = given_up(reason)
    before = snapshot(rows)
    # when
    outcome = confirm(an(point.Spent), rows, NOW)
    # then
    assert outcome == an(reservation.Rejected, reason=reason)
    assert snapshot(rows) == before


def test_cancel_takes_back_what_the_checkout_had_confirmed() -> None:
    """The amount comes from the rows; the checkout is remembered."""
    # given
    rows = reservations(Status.CONFIRMED)
    # when
    outcome = cancel(an(seat.Vacated), rows)
    # then
    assert outcome == an(reservation.Cancelled, amount=TOTAL)
    assert {(row.status, row.reason, row.checkout_id) for row in rows} == {
        (Status.CANCELLED, "some-reason", CHECKOUT_ID)
    }
    assert {row.ask_at for row in rows} == {None}


def test_cancel_answers_every_time() -> None:
    """What is cancelled stays so; whoever asks again hears it again, so that the refund goes on."""
    # given
    rows = refunded()
    before = snapshot(rows)
    # when
    outcome = cancel(an(seat.Vacated), rows)
    # then
    assert outcome == an(reservation.Cancelled)
    assert snapshot(rows) == before


@pytest.mark.parametrize(
    ("rows", "vacated"),
    [
        ([], an(seat.Vacated)),
        (reservations(Status.TEMP), an(seat.Vacated)),
        (given_up(), an(seat.Vacated)),
        (reservations(Status.CONFIRMED, checkout_id=OTHER_CHECKOUT_ID), an(seat.Vacated)),
        (reservations(Status.CONFIRMED, user_id="bob"), an(seat.Vacated)),
        (reservations(Status.CONFIRMED), an(seat.Vacated, seat_ids=(1,))),
        (reservations(Status.CONFIRMED)[:1], an(seat.Vacated)),
    ],
)
def test_cancel_does_not_believe_what_contradicts_its_rows(rows: list[Reservation], vacated: seat.Vacated) -> None:
    """Nothing changes before a person has looked."""
    # given
    before = snapshot(rows)
    # when
    with pytest.raises(ContradictedError):
        cancel(vacated, rows)
    # then
    assert snapshot(rows) == before


def test_refund_leaves_nothing_of_the_hold_to_be_done() -> None:
    """What comes late of hold or checkout finds that it has happened."""
    # given
    rows = refunded()
    before = snapshot(rows)
    # then
    assert open_(an(payment.Published), rows, POLICY, NOW) is None
    assert confirm(an(point.Spent), rows, NOW) is None
    assert give_up(rows, NOW) is None
    assert revoke(an(seat.Revoked), rows, NOW) is None
    assert expire(rows, EXPIRES_AT + timedelta(days=1)) is None
    assert reject(an(seat.Released), rows) is None
    assert snapshot(rows) == before


@pytest.mark.parametrize("now", [NOW, EXPIRES_AT])
def test_another_checkout_cannot_have_what_was_refunded(now: datetime) -> None:
    """The seats are somebody else's to buy."""
    outcome = confirm(
        an(point.Spent, checkout_id=OTHER_CHECKOUT_ID, deadline=EXPIRES_AT + timedelta(minutes=1)), refunded(), now
    )
    assert isinstance(outcome, reservation.Rejected)
