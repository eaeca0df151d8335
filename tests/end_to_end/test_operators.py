"""Operators take seats off sale and put them back; dates are sold out when no seat is open."""

import asyncio
import uuid

from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.standing import Date, Seat, standing
from tests.end_to_end.system import System


async def test_available_seat_is_withdrawn_and_returned(fan: Fan, operator: Operator, catalogue: Catalogue) -> None:
    """A withdrawn seat is not open any more, and is available again when it is returned."""
    (seat_id,) = await catalogue.free()
    date_id = await catalogue.date_of(seat_id)
    before = await catalogue.date(date_id)

    withdrawn = await operator.withdraw(seat_id)

    assert (withdrawn.status_code, withdrawn.json()["status"]) == (200, "withdrawn")
    assert withdrawn.json() == await catalogue.seat(seat_id)
    assert await catalogue.date(date_id) == before | {"open_seats": before["open_seats"] - 1}

    returned = await operator.put_back(seat_id)

    assert (returned.status_code, returned.json()["status"]) == (200, "available")
    assert await catalogue.date(date_id) == before
    await fan.hold(seat_id)


async def test_operations_may_be_repeated(operator: Operator, catalogue: Catalogue) -> None:
    """To withdraw or return a seat again changes nothing and is no error, even many times at once."""
    (seat_id,) = await catalogue.free()
    date_id = await catalogue.date_of(seat_id)
    before = await catalogue.date(date_id)

    withdrawn = await asyncio.gather(*(operator.withdraw(seat_id) for _ in range(5)))
    meanwhile = await catalogue.date(date_id)
    returned = await asyncio.gather(*(operator.put_back(seat_id) for _ in range(5)))

    assert {(answer.status_code, answer.json()["status"]) for answer in withdrawn} == {(200, "withdrawn")}
    assert {(answer.status_code, answer.json()["status"]) for answer in returned} == {(200, "available")}
    assert meanwhile["open_seats"] == before["open_seats"] - 1
    assert await catalogue.date(date_id) == before


async def test_same_operation_happens_once(operator: Operator, catalogue: Catalogue) -> None:
    """Sent again with its key it is answered as the first time, whatever came since; the key is for nothing else."""
    (seat_id,), key = await catalogue.free(), uuid.uuid4().hex
    first = await operator.withdraw(seat_id, key)
    await operator.put_back(seat_id)

    again, other = await operator.withdraw(seat_id, key), await operator.put_back(seat_id, key)

    assert (again.status_code, again.json()) == (200, first.json())
    assert (other.status_code, other.json()["type"]) == (422, "urn:problem:idempotency-key-reused")
    assert (await catalogue.seat(seat_id))["status"] == "available"


async def test_held_seat_is_its_holders_again_after_its_return(
    system: System, fan: Fan, hold: Hold, operator: Operator
) -> None:
    """A seat that was withdrawn while it was held goes back to its holder, who can buy it."""
    await fan.charge(hold.total)
    before = await standing(system, fan, hold)
    seat = before.seats[0]
    (date,) = before.dates

    await operator.withdraw(seat.seat_id)

    assert await standing(system, fan, hold) == before.but(
        seats=(seat._replace(status="WITHDRAWN"), *before.seats[1:]),
        dates=(date._replace(open_seats=date.open_seats - 1),),
    )

    returned = await operator.put_back(seat.seat_id)

    assert returned.json()["status"] == "occupied"
    assert await standing(system, fan, hold) == before
    assert (await fan.check_out(hold))["status"] == "completed"


async def test_withdrawn_seat_of_an_expired_hold_stays_withdrawn(
    system: System, fan: Fan, hold: Hold, operator: Operator
) -> None:
    """A hold that expires gives up a withdrawn seat too, which is then nobody's and available after its return."""
    (withdrawn, other) = hold.seat_ids
    await operator.withdraw(withdrawn)
    await system.databases.change(
        "reservation", "UPDATE reservation SET expires_at = now() WHERE payment_id = $1", hold.payment_id
    )

    given_back = await eventually(
        lambda: standing(system, fan, hold), lambda now: all(seat.holder is None for seat in now.seats)
    )

    price = given_back.seats[0].price
    assert given_back.seats == (Seat(withdrawn, "WITHDRAWN", price, None), Seat(other, "AVAILABLE", price, None))
    assert (await operator.put_back(withdrawn)).json()["status"] == "available"


async def test_unknown_seat_is_missing(operator: Operator) -> None:
    """A seat that is not in the catalogue can neither be withdrawn nor returned."""
    for answer in (await operator.withdraw(2_000_000_000), await operator.put_back(2_000_000_000)):
        assert answer.status_code == 404


async def _date(system: System, fan: Fan, hold: Hold) -> Date:
    (date,) = (await standing(system, fan, hold)).dates
    return date


async def test_date_is_sold_out_with_its_last_seat(system: System, fan: Fan, catalogue: Catalogue) -> None:
    """A date is available until its last seat is sold, and sold out from then on."""
    first, second, third = await catalogue.new_date(3)
    await fan.charge(1_000_000)
    one, two = await fan.hold(first), await fan.hold(second, third)
    held = await _date(system, fan, one)

    await fan.check_out(one)
    meanwhile = await _date(system, fan, one)
    await fan.check_out(two)

    assert (held.status, held.open_seats) == ("AVAILABLE", 3)
    assert (meanwhile.status, meanwhile.open_seats) == ("AVAILABLE", 2)
    assert await _date(system, fan, one) == Date(held.date_id, "SOLD_OUT", 0)
    shown = await catalogue.date(held.date_id)
    assert (shown["status"], shown["open_seats"]) == ("sold_out", 0)


async def test_date_is_available_when_a_seat_comes_back(
    system: System, fan: Fan, catalogue: Catalogue, operator: Operator
) -> None:
    """A date whose last open seat was withdrawn is sold out, until that seat comes back and can be sold."""
    sold, last = await catalogue.new_date(2)
    await fan.charge(1_000_000)
    await fan.check_out(await fan.hold(sold))
    date_id = await catalogue.date_of(last)

    await operator.withdraw(last)
    without = await catalogue.date(date_id)
    await operator.put_back(last)
    again = await catalogue.date(date_id)

    assert (without["status"], without["open_seats"]) == ("sold_out", 0)
    assert (again["status"], again["open_seats"]) == ("available", 1)
    assert (await fan.check_out(await fan.hold(last)))["status"] == "completed"
    assert (await catalogue.date(date_id))["status"] == "sold_out"


async def test_last_seats_sold_at_once_are_counted_once_each(system: System, catalogue: Catalogue) -> None:
    """Fans who buy the last seats of a date at the same time leave it sold out with no seat open."""
    seat_ids = await catalogue.new_date(8)
    fans = [Fan(system) for _ in seat_ids]
    holds = await asyncio.gather(*(fan.hold(seat_id) for fan, seat_id in zip(fans, seat_ids, strict=True)))
    await asyncio.gather(*(fan.charge(hold.total) for fan, hold in zip(fans, holds, strict=True)))

    ends = await asyncio.gather(*(fan.check_out(hold) for fan, hold in zip(fans, holds, strict=True)))

    assert {end["status"] for end in ends} == {"completed"}
    date = await _date(system, fans[0], holds[0])
    assert (date.status, date.open_seats) == ("SOLD_OUT", 0)
