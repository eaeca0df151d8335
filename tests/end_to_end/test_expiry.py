"""The hold's clock: when it runs out, everything is given back, and a checkout either wins or leaves nothing."""

import asyncio

from tests.choreography import way_out
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import CHEAP, Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import Observer
from tests.end_to_end.standing import Payment, Reservation, Seat, Standing, standing
from tests.end_to_end.system import System


async def _run_out(system: System, *holds: Hold) -> None:
    """Let the time of holds be over."""
    await system.databases.change(
        "reservation",
        "UPDATE reservation SET expires_at = now() - interval '1 second' WHERE payment_id = ANY($1::uuid[])",
        [hold.payment_id for hold in holds],
    )


async def _given_back(system: System, fan: Fan, hold: Hold) -> Standing:
    """What the databases say once nobody holds the seats."""

    def is_over(now: Standing) -> bool:
        # The databases are not read at one time: seats may be free that were not yet when the payment was looked at.
        is_cancelled = now.payment is not None and now.payment.status == "CANCELLED"
        return is_cancelled and all(seat.holder is None for seat in now.seats)

    return await eventually(lambda: standing(system, fan, hold), is_over)


def _expired(before: Standing, fan: Fan, hold: Hold) -> Standing:
    """What is left of a hold whose time ran out."""
    return before.but(
        reservations=tuple(
            Reservation(seat_id, "EXPIRED", fan.user_id, CHEAP, None, "hold-expired") for seat_id in hold.seat_ids
        ),
        payment=Payment("CANCELLED", fan.user_id, hold.total, None, is_paid=False),
        seats=tuple(Seat(seat_id, "AVAILABLE", CHEAP, None) for seat_id in hold.seat_ids),
    )


async def test_expired_hold_is_given_back(system: System, fan: Fan, hold: Hold, observer: Observer) -> None:
    """When a hold's time is up, its payment is cancelled, its seats are available, and the reservation says why."""
    before = await standing(system, fan, hold)

    await _run_out(system, hold)

    assert await _given_back(system, fan, hold) == _expired(before, fan, hold)
    shown = await fan.get("reservation", f"/reservations/{hold.payment_id}")
    assert (shown["status"], shown["reason"]) == ("expired", "hold-expired")
    await observer.heard(hold.payment_id, "payment.closure-sent")
    assert observer.names(hold.payment_id)[-5:] == [
        "reservation.expired",
        "payment.cancelled",
        "seat.released",
        "reservation.closed",
        "payment.closure-sent",
    ]


async def test_expired_hold_cannot_be_checked_out(system: System, fan: Fan, hold: Hold) -> None:
    """The payment of an expired hold is cancelled, so a checkout of it is a conflict that changes nothing."""
    await fan.charge(hold.total)
    await _run_out(system, hold)
    before = await _given_back(system, fan, hold)

    answer = await fan.order(hold.payment_id)

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:problem:payment-cancelled"
    assert await standing(system, fan, hold) == before


async def test_seats_of_an_expired_hold_are_for_everybody(system: System, fan: Fan, hold: Hold) -> None:
    """Another fan holds and buys what an expired hold gave back."""
    await _run_out(system, hold)
    await _given_back(system, fan, hold)
    other = Fan(system)
    await other.charge(hold.total)

    end = await other.check_out(await other.hold(*hold.seat_ids))

    assert end["status"] == "completed"


async def test_expiry_yields_to_a_checkout_that_was_faster(
    system: System, fan: Fan, hold: Hold, broker: Broker, catalogue: Catalogue
) -> None:
    """A hold that is confirmed before its time is up does not expire, however long the checkout takes."""
    await fan.charge(hold.total)
    other = Fan(system)
    witness = await other.hold(*await catalogue.free())

    async with broker.diverted("payment.pay", way_out()["payment.pay"]) as diversion:
        checkout_id = await fan.begin(hold)
        await diversion.heard(checkout_id, way_out()["payment.pay"])
        await _run_out(system, hold, witness)
        await _given_back(system, other, witness)
        meanwhile = await standing(system, fan, hold)
        await diversion.pass_all()
        end = await fan.end_of(checkout_id)

    assert {row.status for row in meanwhile.reservations} == {"CONFIRMED"}
    assert end["status"] == "completed"
    assert {seat.status for seat in (await standing(system, fan, hold)).seats} == {"RESERVED"}


async def test_checkout_yields_to_an_expiry_that_was_faster(
    system: System, fan: Fan, hold: Hold, broker: Broker
) -> None:
    """A checkout that comes to a hold after its time was up fails, the points come back, the hold stays expired."""
    await fan.charge(hold.total)
    before = await standing(system, fan, hold)

    async with broker.diverted("reservation.confirm", "point.spent") as diversion:
        checkout_id = await fan.begin(hold)
        await diversion.heard(checkout_id, "point.spent")
        await _run_out(system, hold)
        await _given_back(system, fan, hold)
        await diversion.pass_all()
        end = await fan.end_of(checkout_id)

    assert (end["status"], end["reason"]) == ("failed", "hold-expired")
    expired = _expired(before, fan, hold).after_failed("hold-expired", hold.total, spent=True)
    payment = Payment("CANCELLED", fan.user_id, hold.total, checkout_id, is_paid=False)
    assert await standing(system, fan, hold) == expired.but(payment=payment)


async def test_hold_whose_time_ran_out_in_a_failed_checkout_expires_after_it(
    system: System, fan: Fan, hold: Hold, broker: Broker, operator: Operator
) -> None:
    """The hold's clock does not stop for a checkout: when that is undone too late, the hold is given back."""
    await fan.charge(hold.total)
    await operator.withdraw(hold.seat_ids[0])

    async with broker.diverted("payment.pay", way_out()["payment.pay"]) as diversion:
        checkout_id = await fan.begin(hold)
        await diversion.heard(checkout_id, way_out()["payment.pay"])
        await _run_out(system, hold)
        await diversion.pass_all()
        end = await fan.end_of(checkout_id)

    after = await _given_back(system, fan, hold)
    assert (end["status"], end["reason"]) == ("failed", "seat-withdrawn")
    assert after.balance == hold.total
    assert {row.status for row in after.reservations} == {"EXPIRED"}
    assert after.payment is not None
    assert after.payment.status == "CANCELLED"
    assert [seat.status for seat in after.seats] == ["WITHDRAWN", "AVAILABLE"]
    await operator.put_back(hold.seat_ids[0])


async def test_race_of_expiry_and_checkout_has_one_winner(system: System, catalogue: Catalogue) -> None:
    """Of a hold that expires while it is being paid, either the seats are sold or the points are back, never both."""
    fans = [Fan(system) for _ in range(12)]
    seat_ids = await catalogue.free(len(fans))
    holds = await asyncio.gather(*(fan.hold(seat_id) for fan, seat_id in zip(fans, seat_ids, strict=True)))
    await asyncio.gather(*(fan.charge(CHEAP) for fan in fans))
    for number, hold in enumerate(holds):
        await system.databases.change(
            "reservation",
            "UPDATE reservation SET expires_at = now() + $1 * interval '100 ms' WHERE payment_id = $2",
            number,
            hold.payment_id,
        )

    answers = await asyncio.gather(
        *(fan.order(hold.payment_id, wait=30) for fan, hold in zip(fans, holds, strict=True))
    )

    for fan, hold, answer in zip(fans, holds, answers, strict=True):
        sold = answer.status_code == 200 and answer.json()["status"] == "completed"
        await _one_winner(system, fan, hold, sold=sold)


async def _one_winner(system: System, fan: Fan, hold: Hold, *, sold: bool) -> None:
    wanted = (
        (0, "CONFIRMED", "PAID", "RESERVED", hold.payment_id)
        if sold
        else (CHEAP, "EXPIRED", "CANCELLED", "AVAILABLE", None)
    )

    async def found() -> tuple[object, ...]:
        now = await standing(system, fan, hold)
        assert now.payment is not None
        (reservation,), (seat,) = now.reservations, now.seats
        return now.balance, reservation.status, now.payment.status, seat.status, seat.holder

    await eventually(found, lambda state: state == wanted)
