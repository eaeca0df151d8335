"""An evening is called off, or a sold seat withdrawn: nobody keeps seats, and everybody has their points back."""

import asyncio
from uuid import UUID

from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.evenings import buy, cancelled, done, refunded
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.standing import standing
from tests.end_to_end.system import System


async def _about_to_pay(fan: Fan, catalogue: Catalogue) -> tuple[int, Hold]:
    """An evening, and the hold of all its seats by a fan who has the points for them."""
    seat_ids = await catalogue.new_date(2)
    hold = await fan.hold(*seat_ids)
    await fan.charge(hold.total)
    return await catalogue.date_of(seat_ids[0]), hold


async def _left(system: System, fan: Fan, hold: Hold) -> tuple[int, set[str], set[tuple[str, UUID | None]]]:
    """What is left of a purchase: points, reservations, seats with their holders."""
    now = await standing(system, fan, hold)
    seats = {(seat.status, seat.holder) for seat in now.seats}
    return now.balance, {row.status for row in now.reservations}, seats


async def test_held_seats_are_given_up(system: System, fan: Fan, operator: Operator, catalogue: Catalogue) -> None:
    """The fan sees why, and nobody can hold them any more."""
    seat_ids = await catalogue.new_date(3)
    date_id = await catalogue.date_of(seat_ids[0])
    hold = await fan.hold(*seat_ids[:2])

    answer = await operator.call_off(date_id)

    assert answer.status_code == 200, answer.text
    called_off = answer.json()
    assert (called_off["status"], called_off["held"], called_off["withdrawn"]) == ("called_off", 2, 1)
    refused = (await Fan(system).reserve(seat_ids[2:])).json()
    assert (refused["status"], refused["reason"]) == ("rejected", "called-off")
    assert (await cancelled(fan, hold))["reason"] == "called-off"
    now = await done(operator, date_id)
    assert now == called_off | {"held": 0, "withdrawn": 3, "to_tell": 0, "done": True}
    assert await _left(system, fan, hold) == (0, {"CANCELLED"}, {("WITHDRAWN", None)})
    shown = await catalogue.date(date_id)
    assert (shown["status"], shown["open_seats"]) == ("called_off", 0)
    assert (await fan.order(hold.payment_id)).json()["type"] == "urn:problem:payment-cancelled"


async def test_sold_seats_arerefunded(system: System, operator: Operator, catalogue: Catalogue) -> None:
    """Every buyer has the points back, once, and nobody has the seats."""
    seat_ids = await catalogue.new_date(6)
    date_id = await catalogue.date_of(seat_ids[0])
    bought = await asyncio.gather(*(buy(system, seat_ids[first : first + 2]) for first in (0, 2, 4)))

    called_off = (await operator.call_off(date_id)).json()

    assert (called_off["sold"], called_off["done"]) == (6, False)
    for fan, hold in bought:
        await refunded(fan, hold)
        assert await _left(system, fan, hold) == (hold.total, {"CANCELLED"}, {("WITHDRAWN", None)})
        history = (await standing(system, fan, hold)).history
        assert history == (("CHARGE", hold.total), ("USE", hold.total), ("REFUND", hold.total))
    assert (await done(operator, date_id))["withdrawn"] == 6


async def test_checkout_under_way_is_refused(
    system: System, fan: Fan, operator: Operator, catalogue: Catalogue, broker: Broker
) -> None:
    """One whose seats are not sold yet fails for that reason, and its hold is given up."""
    date_id, hold = await _about_to_pay(fan, catalogue)

    async with broker.diverted("seat.reserve", "payment.paid") as diversion:
        checkout_id = await fan.begin(hold)
        await diversion.heard(checkout_id, "payment.paid")
        await operator.call_off(date_id)
        await eventually(lambda: operator.evening(date_id), lambda evening: evening["to_tell"] == 0)
        meanwhile = await fan.get("reservation", f"/reservations/{hold.payment_id}")
        await diversion.pass_all()
        end = await fan.end_of(checkout_id)

    assert meanwhile["status"] == "confirmed"
    assert (end["status"], end["reason"]) == ("failed", "called-off")
    assert (await cancelled(fan, hold))["reason"] == "called-off"
    await done(operator, date_id)
    assert await _left(system, fan, hold) == (hold.total, {"CANCELLED"}, {("WITHDRAWN", None)})


async def test_checkout_that_was_faster_is_completed_andrefunded(
    system: System, fan: Fan, operator: Operator, catalogue: Catalogue, broker: Broker
) -> None:
    """One whose seats are sold ends first, and then it is taken back."""
    date_id, hold = await _about_to_pay(fan, catalogue)

    async with broker.diverted("payment.complete", "seat.reserved") as diversion:
        checkout_id = await fan.begin(hold)
        await diversion.heard(checkout_id, "seat.reserved")
        await operator.call_off(date_id)
        told = await eventually(lambda: operator.evening(date_id), lambda evening: evening["to_tell"] == 0)
        await diversion.pass_all()
        end = await fan.end_of(checkout_id)

    assert (told["sold"], end["status"]) == (2, "completed")
    await refunded(fan, hold)
    await done(operator, date_id)
    assert await _left(system, fan, hold) == (hold.total, {"CANCELLED"}, {("WITHDRAWN", None)})


async def test_evening_is_called_off_once(system: System, operator: Operator, catalogue: Catalogue) -> None:
    """Whoever calls it off again sees how far it is; with the same key, what was answered first."""
    seat_ids = await catalogue.new_date(1)
    date_id = await catalogue.date_of(seat_ids[0])
    await buy(system, seat_ids)

    first = await operator.call_off(date_id, "once")
    now = await done(operator, date_id)
    again, same = await operator.call_off(date_id), await operator.call_off(date_id, "once")

    assert (again.status_code, again.json()) == (200, now)
    assert (same.status_code, same.json()) == (200, first.json())


async def test_seat_of_an_evening_that_is_called_off_does_not_return(operator: Operator, catalogue: Catalogue) -> None:
    """Nothing of it is ever on sale again."""
    (seat_id,) = await catalogue.new_date(1)
    await operator.call_off(await catalogue.date_of(seat_id))

    returned, withdrawn = await operator.put_back(seat_id), await operator.withdraw(seat_id)

    assert (returned.status_code, returned.json()["type"]) == (409, "urn:problem:evening-called-off")
    assert (withdrawn.status_code, withdrawn.json()["status"]) == (200, "withdrawn")
    assert (await catalogue.seat(seat_id))["revoked"] == "called-off"


async def test_unknown_evening_is_missing(operator: Operator) -> None:
    """What is not in the catalogue can neither be seen nor called off."""
    seen = await operator.ask("GET", "seat", "/operations/dates/2000000000")
    assert (seen.status_code, (await operator.call_off(2_000_000_000)).status_code) == (404, 404)


async def test_sold_seat_that_is_withdrawn_isrefunded(system: System, operator: Operator, catalogue: Catalogue) -> None:
    """With all seats of its payment: it is off sale from then on, and the others are anybody's."""
    seat_ids = await catalogue.free(2)
    fan, hold = await buy(system, seat_ids)

    answer = await operator.withdraw(seat_ids[0])

    shown = answer.json()
    assert (answer.status_code, shown["status"], shown["revoked"]) == (200, "reserved", "seat-withdrawn")
    await refunded(fan, hold)
    withdrawn, other = [await catalogue.seat(seat_id) for seat_id in seat_ids]
    assert (withdrawn["status"], other["status"], other["revoked"]) == ("withdrawn", "available", None)
    now = await standing(system, fan, hold)
    assert (now.balance, {row.reason for row in now.reservations}) == (hold.total, {"seat-withdrawn"})
    assert (await operator.put_back(seat_ids[0])).json()["status"] == "available"
    again = await Fan(system).hold(*seat_ids)
    assert again.seat_ids == seat_ids
