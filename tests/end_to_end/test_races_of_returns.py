"""Several who take the same back at once: a buyer, an operator who calls the evening off, the clock of a hold."""

import asyncio
from collections.abc import Sequence
from functools import partial

from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.evenings import buy, cancelled, done, refunded
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import Observer
from tests.end_to_end.platform import Platform
from tests.end_to_end.standing import standing
from tests.end_to_end.system import System

COUNT = 8
PAID_BY = "SELECT checkout_id FROM payment WHERE payment_id = $1"
EXPIRE = "UPDATE reservation SET expires_at = now() WHERE payment_id = $1"


async def _later(number: int, fan: Fan) -> None:
    """Let some requests go by, so that each of several begins a little later than the one before."""
    for _ in range(number):
        await fan.balance()


async def _held(system: System, seat_ids: Sequence[int]) -> list[tuple[Fan, Hold]]:
    """A fan for each seat, who holds it."""
    fans = [Fan(system) for _ in seat_ids]
    holds = await asyncio.gather(*(fan.hold(seat_id) for fan, seat_id in zip(fans, seat_ids, strict=True)))
    return list(zip(fans, holds, strict=True))


async def test_refunds_while_the_evening_is_called_off(
    system: System, operator: Operator, catalogue: Catalogue, platform: Platform
) -> None:
    """Whoever is first, each buyer has the points back once, and the platform hears of it once."""
    seat_ids = await catalogue.new_date(COUNT)
    date_id = await catalogue.date_of(seat_ids[0])
    bought = await asyncio.gather(*(buy(system, [seat_id]) for seat_id in seat_ids))
    checkouts = [await system.databases.value("payment", PAID_BY, hold.payment_id) for _, hold in bought]

    async def give_back(number: int) -> int:
        fan, _ = bought[number]
        await _later(number, fan)
        return (await fan.post("payment", f"/checkouts/{checkouts[number]}/refund", None)).status_code

    async def call_off() -> int:
        await _later(COUNT // 2, operator)
        return (await operator.call_off(date_id)).status_code

    *answers, called_off = await asyncio.gather(*map(give_back, range(COUNT)), call_off())

    assert (called_off, set(answers) <= {202, 409}) == (200, True)
    for fan, hold in bought:
        await refunded(fan, hold)
        after = await standing(system, fan, hold)
        assert after.history == (("CHARGE", hold.total), ("USE", hold.total), ("REFUND", hold.total))
        assert after.balance == hold.total
        told = partial(platform.told, hold.payment_id)
        await eventually(told, lambda kinds: kinds == ["payment.paid", "payment.refunded"])
    assert (await done(operator, date_id))["withdrawn"] == COUNT


async def test_holds_are_given_back_while_the_evening_is_called_off(
    system: System, operator: Operator, catalogue: Catalogue
) -> None:
    """Each hold is over once, for the reason of whoever was first, and nobody has a seat."""
    seat_ids = await catalogue.new_date(COUNT)
    date_id = await catalogue.date_of(seat_ids[0])
    held = await _held(system, seat_ids)

    async def give_back(number: int, fan: Fan, hold: Hold) -> int:
        await _later(number, fan)
        return (await fan.give_back(hold.payment_id)).status_code

    async def call_off() -> int:
        await _later(COUNT // 2, operator)
        return (await operator.call_off(date_id)).status_code

    *answers, called_off = await asyncio.gather(*(give_back(n, *one) for n, one in enumerate(held)), call_off())

    assert (called_off, set(answers) <= {200, 202}) == (200, True)
    assert (await done(operator, date_id))["withdrawn"] == COUNT
    for fan, hold in held:
        assert (await cancelled(fan, hold))["reason"] in ("given-up", "called-off")
        after = await standing(system, fan, hold)
        assert after.payment is not None
        assert (after.payment.status, {row.status for row in after.reservations}) == ("CANCELLED", {"CANCELLED"})
        assert [(seat.status, seat.holder) for seat in after.seats] == [("WITHDRAWN", None)]


async def test_holds_are_given_back_when_their_time_is_up(
    system: System, catalogue: Catalogue, observer: Observer
) -> None:
    """Of the fan and the clock one ends the hold, it is closed once, and its seat is anybody's."""
    held = await _held(system, await catalogue.free(COUNT))

    async def race(number: int, fan: Fan, hold: Hold) -> int:
        await system.databases.change("reservation", EXPIRE, hold.payment_id)
        await _later(number, fan)
        return (await fan.give_back(hold.payment_id)).status_code

    answers = await asyncio.gather(*(race(n, *one) for n, one in enumerate(held)))

    assert set(answers) <= {200, 202}
    for fan, hold in held:
        await observer.heard(hold.payment_id, "payment.closure-sent")
        said = observer.names(hold.payment_id)
        assert said.count("reservation.closed") == 1
        assert said.count("reservation.given-up") + said.count("reservation.expired") == 1
        after = await standing(system, fan, hold)
        ends = {(row.status, row.reason) for row in after.reservations}
        assert ends in ({("CANCELLED", "given-up")}, {("EXPIRED", "hold-expired")})
        assert [(seat.status, seat.holder) for seat in after.seats] == [("AVAILABLE", None)]
