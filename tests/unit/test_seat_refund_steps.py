"""What seat_svc does in a refund, and with seats that nobody can keep."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts import payment, refund, reservation, seat
from contracts.refund import Asker
from seat_svc.models import ConcertDate, Seat, SeatStatus, Vacancy
from seat_svc.steps import RefundPolicy, hold, release, reserve, revoke, vacate, vouch
from tests.unit.examples import NOW, OTHER_PAYMENT_ID, PAYMENT_ID, REFUND_ID, an, seats

AVAILABLE, OCCUPIED = SeatStatus.AVAILABLE, SeatStatus.OCCUPIED
RESERVED, WITHDRAWN = SeatStatus.RESERVED, SeatStatus.WITHDRAWN
POLICY = RefundPolicy(notice=timedelta(hours=24))
BEGINS = NOW + timedelta(days=30)
TOO_LATE = BEGINS - POLICY.notice
REVOKED: dict[str, Any] = {"revoked": "called-off", "revoke_at": NOW}
SAID_AGAIN = timedelta(seconds=30)


def evenings() -> list[ConcertDate]:
    """The evening of the seats."""
    return [ConcertDate(date_id=1, concert_id=1, starts_at=BEGINS)]


def decided(reason: str | None = None) -> Vacancy:
    """What was decided about ann's refund."""
    return Vacancy(refund_id=REFUND_ID, payment_id=PAYMENT_ID, seats="1 2", reason=reason, at=NOW)


def snapshot(rows: list[Seat]) -> list[dict[str, object]]:
    """Everything that the rows say."""
    return [row.model_dump() for row in rows]


def one_revoked(status: SeatStatus) -> list[Seat]:
    """Both seats, of which the first is revoked."""
    return [seats(status, **REVOKED)[0], seats(status)[1]]


@dataclass(frozen=True)
class Judged:
    """A refund, the seats that it is about, and when it is heard of."""

    rows: list[Seat]
    now: datetime = NOW
    asked_by: Asker = Asker.BUYER

    def vacate(self) -> tuple[seat.Vacated | seat.Kept, Vacancy] | None:
        """What comes of the request."""
        return vacate(an(refund.Requested, asked_by=self.asked_by), self.rows, evenings(), None, POLICY, self.now)

    def vouch(self) -> tuple[seat.Vacated | seat.Kept, list[Vacancy]]:
        """What is answered to a clock, where nothing was heard of the request."""
        return vouch(an(refund.Overdue, asked_by=self.asked_by), self.rows, evenings(), None, POLICY, self.now)


BY_OPERATOR: dict[str, Any] = {"asked_by": Asker.OPERATOR}
GIVEN_BACK = [
    Judged(seats(RESERVED)),
    Judged(seats(RESERVED), TOO_LATE - timedelta(microseconds=1)),
    Judged(seats(RESERVED), TOO_LATE, **BY_OPERATOR),
    Judged(seats(RESERVED), BEGINS - timedelta(microseconds=1), **BY_OPERATOR),
    Judged(one_revoked(RESERVED), TOO_LATE),
    Judged(seats(RESERVED, **REVOKED), BEGINS),
    Judged(seats(RESERVED, **REVOKED), BEGINS + timedelta(days=1), **BY_OPERATOR),
]
KEPT = [
    (Judged([]), "not-sold"),
    (Judged(seats(OCCUPIED)), "not-sold"),
    (Judged(seats(RESERVED, holder=OTHER_PAYMENT_ID)), "not-sold"),
    (Judged(seats(OCCUPIED, **REVOKED)), "not-sold"),
    (Judged(seats(RESERVED), TOO_LATE), "too-late"),
    (Judged(seats(RESERVED), BEGINS), "evening-begun"),
    (Judged(seats(RESERVED), BEGINS, **BY_OPERATOR), "evening-begun"),
]


@pytest.mark.parametrize("judged", GIVEN_BACK)
def test_vacate_takes_back_the_sale(judged: Judged) -> None:
    """Until a day before the evening for its buyer, until it begins for an operator, and at any time when revoked."""
    # given
    rows = [row.model_copy() for row in judged.rows]
    revoked = [row.revoked for row in rows]
    # when
    outcome = Judged(rows, judged.now, judged.asked_by).vacate()
    # then
    assert outcome is not None
    event, memory = outcome
    assert event == an(seat.Vacated)
    assert memory.model_dump() == decided().model_dump() | {"at": judged.now}
    assert {(row.holder, row.revoke_at) for row in rows} == {(None, None)}
    assert [row.status for row in rows] == [WITHDRAWN if reason else AVAILABLE for reason in revoked]


@pytest.mark.parametrize(("judged", "reason"), KEPT)
def test_vacate_refuses_with_a_reason(judged: Judged, reason: str) -> None:
    """What is not sold or comes too late stays as it is, and the refusal is remembered."""
    # given
    before = snapshot(judged.rows)
    # when
    outcome = judged.vacate()
    # then
    assert outcome is not None
    event, memory = outcome
    assert event == an(seat.Kept, reason=reason)
    assert (memory.refund_id, memory.reason) == (REFUND_ID, reason)
    assert snapshot(judged.rows) == before


@pytest.mark.parametrize("memory", [decided(), decided("too-late")])
def test_vacate_decides_once(memory: Vacancy) -> None:
    """What was decided is not decided again, even when the seats are sold to the payment again."""
    # given
    rows = seats(RESERVED)
    before = snapshot(rows)
    # when
    outcome = vacate(an(refund.Requested), rows, evenings(), memory, POLICY, NOW)
    # then
    assert outcome is None
    assert snapshot(rows) == before


def test_vacate_restores_what_was_before_hold() -> None:
    """Hold, sale and refund together leave the seats as they were."""
    # given
    rows = seats(AVAILABLE)
    before = snapshot(rows)
    hold(an(reservation.Requested), rows, NOW)
    reserve(an(payment.Paid), rows, NOW)
    # when
    Judged(rows).vacate()
    # then
    assert snapshot(rows) == before


@pytest.mark.parametrize(
    ("memory", "event"),
    [(decided(), an(seat.Vacated)), (decided("too-late"), an(seat.Kept, reason="too-late"))],
)
@pytest.mark.parametrize("now", [NOW, BEGINS])
def test_vouch_says_again_what_was_decided(memory: Vacancy, event: seat.Vacated | seat.Kept, now: datetime) -> None:
    """However late somebody asks, and whoever has the seats meanwhile."""
    # given
    rows = seats(RESERVED)
    before = snapshot(rows)
    # when
    outcome = vouch(an(refund.Overdue), rows, evenings(), memory, POLICY, now)
    # then
    assert outcome == (event, [])
    assert snapshot(rows) == before


@pytest.mark.parametrize("judged", [GIVEN_BACK[0], *(judged for judged, _ in KEPT)])
def test_vouch_decides_where_nothing_was_heard(judged: Judged) -> None:
    """A request that comes after it finds the decision."""
    # given
    rows, other = [row.model_copy() for row in judged.rows], [row.model_copy() for row in judged.rows]
    wanted = Judged(other, judged.now, judged.asked_by).vacate()
    # when
    event, (memory,) = Judged(rows, judged.now, judged.asked_by).vouch()
    # then
    assert (event, memory) == wanted
    assert snapshot(rows) == snapshot(other)
    assert vacate(an(refund.Requested), rows, evenings(), memory, POLICY, NOW) is None


@pytest.mark.parametrize("status", [OCCUPIED, WITHDRAWN, RESERVED])
def test_revoke_tells_the_payment_and_will_again(status: SeatStatus) -> None:
    """It is told once for all its seats, and not again before half a minute is over."""
    # given
    rows = seats(status, **REVOKED)
    # when
    outcome, again = revoke(rows, NOW), revoke(rows, NOW + SAID_AGAIN - timedelta(microseconds=1))
    # then
    assert outcome == an(seat.Revoked, reason="called-off")
    assert again is None
    assert {row.revoke_at for row in rows} == {NOW + SAID_AGAIN}
    assert revoke(rows, NOW + SAID_AGAIN) == an(seat.Revoked, reason="called-off")
    assert {row.status for row in rows} == {status}


def test_revoke_leaves_alone_what_is_not_due() -> None:
    """A seat that is not revoked keeps no time."""
    # given
    rows = one_revoked(RESERVED)
    # when
    outcome = revoke(rows, NOW)
    # then
    assert outcome == an(seat.Revoked, reason="called-off")
    assert [row.revoke_at for row in rows] == [NOW + SAID_AGAIN, None]


@pytest.mark.parametrize("rows", [[], seats(RESERVED), seats(AVAILABLE, **REVOKED)])
def test_revoke_without_a_payment_to_tell_says_nothing(rows: list[Seat]) -> None:
    """Nothing is revoked, or nobody has it."""
    assert revoke(rows, NOW) is None


def test_hold_of_a_called_off_evening_says_why() -> None:
    """The fan sees that it is not only this seat."""
    # given
    rows = seats(WITHDRAWN, holder=None, revoked="called-off")
    # when
    outcome = hold(an(reservation.Requested), rows, NOW)
    # then
    assert outcome == an(seat.HoldRejected, reason="called-off")


def test_hold_covers_one_evening() -> None:
    """Seats of two evenings are refused, and stay available."""
    # given
    rows = [seats(AVAILABLE)[0], seats(AVAILABLE, date_id=2)[1]]
    before = snapshot(rows)
    # when
    outcome = hold(an(reservation.Requested), rows, NOW)
    # then
    assert outcome == an(seat.HoldRejected, reason="several-evenings")
    assert snapshot(rows) == before


def test_reserve_of_a_called_off_evening_says_why() -> None:
    """A checkout that was under way at that moment is refused."""
    # given
    rows = seats(WITHDRAWN, **REVOKED)
    # when
    outcome = reserve(an(payment.Paid), rows, NOW)
    # then
    assert outcome == an(seat.Rejected, reason="called-off")
    assert {row.status for row in rows} == {WITHDRAWN}


def test_release_leaves_a_revoked_seat_withdrawn() -> None:
    """Nobody is told any more, and nobody can have it."""
    # given
    rows = seats(WITHDRAWN, **REVOKED)
    # when
    outcome = release(an(payment.Cancelled), rows)
    # then
    assert outcome == an(seat.Released)
    assert {(row.status, row.holder, row.revoke_at) for row in rows} == {(WITHDRAWN, None, None)}
    assert revoke(rows, NOW + SAID_AGAIN) is None


def test_a_sold_seat_that_is_withdrawn_stays_its_buyers_until_it_is_refunded() -> None:
    """It is not on sale any more, and its payment is told at once."""
    # given
    row = seats(RESERVED)[0]
    # when
    row.revoke(NOW)
    # then
    assert row.is_reserved_by(PAYMENT_ID)
    assert revoke([row], NOW) == an(seat.Revoked, reason="seat-withdrawn")


def test_a_withdrawn_seat_that_was_refunded_can_be_put_back() -> None:
    """It is on sale again, and nothing is left of its revocation."""
    # given
    rows = seats(RESERVED)
    rows[0].revoke(NOW)
    Judged(rows).vacate()
    assert [row.status for row in rows] == [WITHDRAWN, AVAILABLE]
    # when
    rows[0].put_back()
    # then
    assert {(row.status, row.holder, row.revoked, row.revoke_at) for row in rows} == {(AVAILABLE, None, None, None)}


def test_a_revocation_that_is_taken_back_is_over() -> None:
    """The seat is its buyer's, and nobody is told any more."""
    # given
    rows = seats(RESERVED)
    before = snapshot(rows)
    rows[0].revoke(NOW)
    # when
    rows[0].unrevoke()
    # then
    assert snapshot(rows) == before
    assert revoke(rows, NOW + SAID_AGAIN) is None
