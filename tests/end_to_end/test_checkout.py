"""The checkout on its way out: from a hold to sold seats and a delivery."""

import json

from tests.choreography import completed
from tests.end_to_end.catalogue import CHEAP, Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.observing import Observer
from tests.end_to_end.platform import Platform
from tests.end_to_end.standing import Checkout, Date, Payment, Reservation, Seat, Standing, standing
from tests.end_to_end.system import System


async def test_checkout_is_accepted_and_then_completes(fan: Fan, hold: Hold) -> None:
    """Whoever does not wait gets 202 with a place to look and a pause, and finds the checkout completed there."""
    await fan.charge(hold.total)

    accepted = await fan.order(hold.payment_id)

    state = accepted.json()
    assert accepted.status_code == 202
    assert accepted.headers["Location"] == f"/checkouts/{state['checkout_id']}"
    assert accepted.headers["Retry-After"] == "1"
    assert (state["status"], state["reason"], state["amount"]) == ("pending", None, hold.total)
    end = await eventually(
        lambda: fan.get("payment", accepted.headers["Location"]), lambda state: state["status"] != "pending"
    )
    assert (end["status"], end["reason"], end["payment_id"]) == ("completed", None, str(hold.payment_id))
    assert end["finished_at"] > end["created_at"]


async def test_completed_checkout_is_the_same_in_all_databases(
    system: System, fan: Fan, hold: Hold, observer: Observer, platform: Platform
) -> None:
    """After a checkout the points are spent, the reservation confirmed, the payment paid and the seats reserved."""
    await fan.charge(hold.total + 7)
    before = await standing(system, fan, hold)
    (date,) = before.dates

    checkout_id = await fan.begin(hold)
    await fan.end_of(checkout_id)

    await platform.delivered(checkout_id)
    await observer.heard(checkout_id, "payment.sent")
    user_id = fan.user_id
    assert await standing(system, fan, hold) == Standing(
        balance=7,
        history=(("CHARGE", hold.total + 7), ("USE", hold.total)),
        reservations=tuple(
            Reservation(seat_id, "CONFIRMED", user_id, CHEAP, checkout_id, None) for seat_id in hold.seat_ids
        ),
        payment=Payment("PAID", user_id, hold.total, checkout_id, is_paid=True),
        checkouts=(Checkout("COMPLETED", None, hold.total),),
        deliveries=(("SENT", None),),
        seats=tuple(Seat(seat_id, "RESERVED", CHEAP, hold.payment_id) for seat_id in hold.seat_ids),
        dates=(Date(date.date_id, "AVAILABLE", date.open_seats - 2),),
    )
    assert observer.names(checkout_id) == completed()


async def test_completed_checkout_is_shown_everywhere(fan: Fan, hold: Hold, catalogue: Catalogue) -> None:
    """Every service shows its own part of a completed checkout."""
    await fan.charge(hold.total)

    end = await fan.check_out(hold)

    entry = (await fan.get("point", "/points/history?limit=1"))[0]
    assert (entry["type"], entry["amount"], entry["balance_after"]) == ("USE", hold.total, 0)
    assert entry["checkout_id"] == end["checkout_id"]
    assert (await fan.get("reservation", f"/reservations/{hold.payment_id}"))["status"] == "confirmed"
    payment = await fan.get("payment", f"/payments/{hold.payment_id}")
    assert payment["status"] == "paid"
    assert payment["paid_at"] is not None
    assert {(await catalogue.seat(seat_id))["status"] for seat_id in hold.seat_ids} == {"reserved"}


async def test_platform_gets_the_payment_by_value(fan: Fan, hold: Hold, platform: Platform) -> None:
    """The external platform keeps one genuine delivery that says who paid how much for which seats."""
    await fan.charge(hold.total)

    end = await fan.check_out(hold)

    delivery = await platform.delivered(end["checkout_id"])
    assert json.loads(delivery["body"]) == {
        "type": "payment.paid",
        "data": {
            "checkout_id": end["checkout_id"],
            "payment_id": str(hold.payment_id),
            "user_id": fan.user_id,
            "amount": hold.total,
            "seat_ids": list(hold.seat_ids),
            "completed_at": end["finished_at"],
        },
    }
    assert await platform.attempts(end["checkout_id"]) == [201]


async def test_paid_payment_cannot_be_paid_again(system: System, fan: Fan, hold: Hold) -> None:
    """A second checkout of a paid payment is a conflict, and changes nothing."""
    await fan.charge(2 * hold.total)
    end = await fan.check_out(hold)
    before = await standing(system, fan, hold)

    again = await fan.order(hold.payment_id)

    assert again.status_code == 409
    assert again.json()["type"] == "urn:problem:payment-paid"
    assert end["status"] == "completed"
    assert (await standing(system, fan, hold)).but(deliveries=()) == before.but(deliveries=())
