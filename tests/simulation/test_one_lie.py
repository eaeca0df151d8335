"""One service lies in one thing, and is honest in all others: the saga ends, or an invariant says what is wrong."""

from dataclasses import replace
from typing import Any

import pytest

from contracts import checkout, payment, reservation, seat
from contracts.seat import PricedSeat
from payment_svc.models import Checkout, Payment, listed
from payment_svc.notices import Webhook
from reservation_svc.models import Reservation, Status
from seat_svc.models import Seat, SeatStatus
from tests.simulation.happenings import happen, plain
from tests.simulation.invariants import violations
from tests.simulation.outside import STEPS
from tests.simulation.scenario import Scenario, Trouble, Wish
from tests.simulation.scheduler import ask, settle
from tests.simulation.world import World

PURCHASE = Scenario({"ann": 100, "eve": 100}, {1: 60}, (Wish("ann-1", (1,)),), (Trouble.OVERDUE,))


def lying(patch: pytest.MonkeyPatch, queue: str, lie: Any) -> None:
    """Have a step do something else."""
    patch.setitem(STEPS, queue, replace(STEPS[queue], function=lie))


def after(*names: str) -> World:
    """A world at rest, after these happenings one after the other."""
    world = World(PURCHASE)
    for name in names:
        happen(world, name, plain(world)[name])
        settle(world)
    return world


def held_for_eve(request: reservation.Requested, seats: list[Seat], **_: Any) -> Any:
    """As `seat_svc.steps.hold`, but it names another user."""
    for row in seats:
        row.hold(request.payment_id)
    priced = tuple(PricedSeat(seat_id=row.seat_id, price=row.price) for row in seats)
    return seat.Held.after(request, user_id="eve", seats=priced)


def published_for_one(held: seat.Held, **_: Any) -> Any:
    """As `payment_svc.steps.publish`, but each seat costs 1."""
    seats = tuple(PricedSeat(seat_id=one.seat_id, price=1) for one in held.seats)
    asked = listed(one.seat_id for one in seats)
    new = Payment(payment_id=held.payment_id, user_id=held.user_id, total_price=len(seats), seats=asked)
    return payment.Published.after(held, seats=seats, total_price=len(seats)), new


def paid_in_full(confirmed: reservation.Confirmed, owed: Payment, **_: Any) -> Any:
    """As `payment_svc.steps.pay`, but it says the amount that seat_svc wants to hear."""
    owed.pay(confirmed.deadline)
    return payment.Paid.after(confirmed, amount=60)


def completed_for_less(reserved: seat.Reserved, attempt: Checkout, **_: Any) -> Any:
    """As `payment_svc.steps.complete`, but it does not mind the amount."""
    attempt.complete(attempt.created_at)
    return checkout.Completed.after(reserved, amount=attempt.amount, completed_at=attempt.created_at)


def sold_as_others(paid: payment.Paid, seats: list[Seat], **_: Any) -> Any:
    """As `seat_svc.steps.reserve`, but it names other seats."""
    for row in seats:
        row.reserve()
    return seat.Reserved.after(paid, seat_ids=(99, 100))


def test_hold_for_another_user_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """seat_svc names eve: the hold is not opened, the clock gives it up once, and nothing more is parked."""
    # given
    lying(monkeypatch, "seat.hold", held_for_eve)
    world = after("ann-1 asks for seat 1")
    assert [queue for queue, _ in world.parked] == ["reservation.open"]
    # when
    ask(world)
    # then
    assert [queue for queue, _ in world.parked] == ["reservation.open"]
    assert [(row.status, row.ask_at) for row in world.rows(Reservation)] == [(Status.EXPIRED, None)]
    assert [(row.status, row.holder) for row in world.rows(Seat)] == [(SeatStatus.AVAILABLE, None)]


def test_seats_that_are_sold_too_cheaply_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """payment_svc asks for 1 and tells seat_svc that it was 60: what seat_svc knows says otherwise."""
    # given
    lying(monkeypatch, "payment.publish", published_for_one)
    lying(monkeypatch, "payment.pay", paid_in_full)
    lying(monkeypatch, "payment.complete", completed_for_less)
    # when
    world = after("ann-1 asks for seat 1", "ann-1 checks out")
    # then
    assert violations(world) == ["I11 one purchase: ann-1/1 completed for 1, and its seats cost 60"]


def test_other_seats_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """seat_svc sells the right seats and names others: nobody is told of them; the clock asks, and hears the truth."""
    # given
    lying(monkeypatch, "seat.reserve", sold_as_others)
    world = after("ann-1 asks for seat 1", "ann-1 checks out")
    assert [queue for queue, _ in world.parked] == ["payment.complete"]
    assert not world.platform.deliveries
    # when
    ask(world)
    # then
    assert [told.seat_ids for told in world.platform.told(Webhook.PAID, checkout.Completed).values()] == [(1,)]
