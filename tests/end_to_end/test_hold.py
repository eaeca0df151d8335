"""The hold: from the wish for seats to a payment that can be paid, or back to nothing."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.end_to_end.catalogue import CHEAP, DEAR, Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import Observer
from tests.end_to_end.standing import Payment, Reservation, Seat, Standing, standing
from tests.end_to_end.system import System

NO_SEAT = 2_000_000_000


async def test_hold_is_accepted_and_then_opens(system: System, fan: Fan, catalogue: Catalogue) -> None:
    """Whoever does not wait gets 202 with a place to look, and finds the hold open there."""
    seat_ids = await catalogue.free(2)

    accepted = await fan.reserve(seat_ids, wait=None)

    assert accepted.status_code == 202
    assert accepted.json()["status"] == "requested"
    path = f"/reservations/{accepted.json()['payment_id']}"
    assert accepted.headers["Location"] == path
    opened = await eventually(lambda: fan.get("reservation", path), lambda state: state["status"] != "requested")
    assert opened["status"] == "temp"
    assert opened["reason"] is None
    assert datetime.fromisoformat(opened["expires_at"]) > datetime.now(UTC)
    assert opened["seats"] == [{"seat_id": seat_id, "price": CHEAP} for seat_id in seat_ids]


async def test_hold_is_the_same_in_all_databases(
    system: System, fan: Fan, catalogue: Catalogue, observer: Observer
) -> None:
    """A hold is a TEMP reservation of each seat, a published payment over their sum, and seats in its name."""
    seat_ids = await catalogue.free(3)
    dates = (await standing(system, fan, Hold(UUID(int=0), seat_ids, 0))).dates

    hold = await fan.hold(*seat_ids)

    payment_id, user_id = hold.payment_id, fan.user_id
    assert await standing(system, fan, hold) == Standing(
        balance=0,
        history=(),
        reservations=tuple(Reservation(seat_id, "TEMP", user_id, CHEAP, None, None) for seat_id in seat_ids),
        payment=Payment("PUBLISHED", user_id, 3 * CHEAP, None, is_paid=False),
        checkouts=(),
        deliveries=(),
        seats=tuple(Seat(seat_id, "OCCUPIED", CHEAP, payment_id) for seat_id in seat_ids),
        dates=dates,
    )
    shown = await fan.get("payment", f"/payments/{payment_id}")
    assert shown == {
        "payment_id": str(payment_id),
        "status": "published",
        "total_price": 3 * CHEAP,
        "paid_at": None,
    }
    assert {(await catalogue.seat(seat_id))["status"] for seat_id in seat_ids} == {"occupied"}
    await observer.heard(payment_id, "reservation.opened")
    assert observer.names(payment_id) == [
        "reservation.requested",
        "seat.held",
        "payment.published",
        "reservation.opened",
    ]


async def _refused(system: System, fan: Fan, seat_ids: tuple[int, ...], reason: str) -> Hold:
    """Ask for seats in vain: the refusal is shown, and none of the four databases knows of a hold."""
    before = await standing(system, fan, Hold(UUID(int=0), seat_ids, 0))

    answer = await fan.reserve(seat_ids)

    state = answer.json()
    assert answer.status_code == 200, answer.text
    assert (state["status"], state["reason"], state["expires_at"]) == ("rejected", reason, None)
    hold = Hold(UUID(state["payment_id"]), seat_ids, 0)
    rejected = tuple(Reservation(seat_id, "REJECTED", fan.user_id, None, None, reason) for seat_id in sorted(seat_ids))
    assert await standing(system, fan, hold) == before.but(reservations=rejected)
    assert (await fan.ask("GET", "payment", f"/payments/{hold.payment_id}")).status_code == 404
    return hold


async def test_taken_seat_is_refused_with_all_its_company(
    system: System, fan: Fan, hold: Hold, catalogue: Catalogue
) -> None:
    """Where one seat of several is somebody else's, none is held."""
    free = await catalogue.free()

    await _refused(system, Fan(system), (*free, hold.seat_ids[0]), "seat-taken")

    assert (await catalogue.seat(free[0]))["status"] == "available"


async def test_withdrawn_seat_is_refused(system: System, fan: Fan, operator: Operator, catalogue: Catalogue) -> None:
    """A seat that an operator took off sale cannot be held."""
    seat_ids = await catalogue.free(2)
    await operator.withdraw(seat_ids[1])

    await _refused(system, fan, seat_ids, "seat-withdrawn")

    await operator.put_back(seat_ids[1])


async def test_unknown_seat_is_refused(system: System, fan: Fan, catalogue: Catalogue) -> None:
    """A seat that is not in the catalogue cannot be held, nor can any with it."""
    await _refused(system, fan, (*await catalogue.free(), NO_SEAT), "unknown-seat")


async def test_seats_of_several_evenings_are_refused(system: System, fan: Fan, catalogue: Catalogue) -> None:
    """A hold covers one evening, because evenings are given back and called off one by one."""
    (one,), (other,) = await catalogue.new_date(1), await catalogue.new_date(1)

    await _refused(system, fan, (one, other), "several-evenings")

    assert [(await catalogue.seat(seat_id))["status"] for seat_id in (one, other)] == ["available", "available"]


async def test_too_dear_hold_is_undone(system: System, fan: Fan, catalogue: Catalogue, observer: Observer) -> None:
    """Seats that together cost more than a payment may are occupied, found too dear, and released."""
    hold = await _refused(system, fan, await catalogue.free(4, DEAR), "total-over-limit")

    await observer.heard(hold.payment_id, "payment.closure-sent")
    assert observer.names(hold.payment_id) == [
        "reservation.requested",
        "seat.held",
        "payment.publish-rejected",
        "seat.released",
        "reservation.closed",
        "payment.closure-sent",
    ]


@pytest.mark.parametrize("count", [1, 3])
async def test_dearest_seats_can_be_held_up_to_the_limit(fan: Fan, catalogue: Catalogue, count: int) -> None:
    """Three of the dearest seats are under the limit of a payment."""
    hold = await fan.hold(*await catalogue.free(count, DEAR))

    assert hold.total == count * DEAR
