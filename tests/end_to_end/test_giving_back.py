"""Giving back a hold: everything returns the way it came, and of a hold and a checkout one has the seats."""

import asyncio
from uuid import UUID

import pytest

from tests.choreography import way_out
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import Observer
from tests.end_to_end.standing import Standing, standing
from tests.end_to_end.system import System

MISSING = UUID("01890000-0000-7000-8000-000000000000")
WAY_BACK = ["reservation.given-up", "payment.cancelled", "seat.released", "reservation.closed", "payment.closure-sent"]


async def _closed(fan: Fan, payment_id: UUID) -> dict[str, object]:
    """The hold, once nothing of it is left."""
    answer = await eventually(lambda: fan.give_back(payment_id), lambda found: found.status_code == 200)
    state: dict[str, object] = answer.json()
    return state


def _without(before: Standing) -> Standing:
    """What is left of a hold that was given back."""
    assert before.payment is not None
    return before.but(
        reservations=tuple(row._replace(status="CANCELLED", reason="given-up") for row in before.reservations),
        payment=before.payment._replace(status="CANCELLED"),
        seats=tuple(seat._replace(status="AVAILABLE", holder=None) for seat in before.seats),
    )


async def test_open_hold_is_given_back(system: System, fan: Fan, hold: Hold, observer: Observer) -> None:
    """Nobody has its seats any more, its payment cannot be paid, and whoever looks sees why."""
    before = await standing(system, fan, hold)

    answer = await fan.give_back(hold.payment_id)

    path = f"/reservations/{hold.payment_id}"
    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["reason"]) == ("cancelled", "given-up")
    assert answer.headers["Location"] == path
    assert await _closed(fan, hold.payment_id) == answer.json() == await fan.get("reservation", path)
    assert await standing(system, fan, hold) == _without(before)
    await observer.heard(hold.payment_id, WAY_BACK[-1])
    assert observer.names(hold.payment_id) == WAY_BACK
    assert (await fan.order(hold.payment_id)).json()["type"] == "urn:problem:payment-cancelled"


async def test_seats_that_were_given_back_are_anybodys(system: System, fan: Fan, hold: Hold) -> None:
    """Another fan can hold and buy them."""
    other = Fan(system)
    await other.charge(hold.total)

    await fan.give_back(hold.payment_id)
    await _closed(fan, hold.payment_id)

    assert (await other.check_out(await other.hold(*hold.seat_ids)))["status"] == "completed"


async def test_hold_that_is_not_open_yet_is_given_back(
    system: System, fan: Fan, catalogue: Catalogue, broker: Broker
) -> None:
    """Whatever is taken for it later is given back as well."""
    seat_ids = await catalogue.free(2)

    async with broker.diverted("seat.hold", "reservation.requested") as diversion:
        asked = await fan.reserve(seat_ids, wait=None)
        hold = Hold(UUID(asked.json()["payment_id"]), seat_ids, 0)
        await diversion.heard(hold.payment_id, "reservation.requested")
        answer = await fan.give_back(hold.payment_id)
        await diversion.pass_all()

    async def left() -> tuple[set[str], str | None]:
        now = await standing(system, fan, hold)
        return {seat.status for seat in now.seats if seat.holder is None}, now.payment and now.payment.status

    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    state = await fan.get("reservation", f"/reservations/{hold.payment_id}")
    assert (state["status"], state["reason"]) == ("cancelled", "given-up")
    await broker.caught_up()
    await eventually(left, lambda now: now in (({"AVAILABLE"}, None), ({"AVAILABLE"}, "CANCELLED")))


async def test_hold_is_given_back_once(system: System, fan: Fan, hold: Hold, observer: Observer) -> None:
    """Many who ask at once get the same answer, and it is said once."""
    answers = await asyncio.gather(*(fan.give_back(hold.payment_id) for _ in range(5)))
    closed = await _closed(fan, hold.payment_id)

    assert {answer.status_code for answer in answers} <= {200, 202}
    assert all(answer.json() == closed for answer in answers)
    await observer.heard(hold.payment_id, WAY_BACK[-1])
    assert observer.names(hold.payment_id) == WAY_BACK
    assert (await standing(system, fan, hold)).payment is not None


@pytest.mark.parametrize("is_running", [True, False])
async def test_hold_that_a_checkout_has_is_not_given_back(
    system: System, fan: Fan, hold: Hold, broker: Broker, *, is_running: bool
) -> None:
    """Once its reservation is confirmed it is a conflict that names the checkout, and the checkout goes on."""
    await fan.charge(hold.total)

    async with broker.diverted("payment.pay", way_out()["payment.pay"]) as diversion:
        checkout_id = await fan.begin(hold)
        await diversion.heard(checkout_id, way_out()["payment.pay"])
        if not is_running:
            await diversion.pass_all()
            await fan.end_of(checkout_id)
        answer = await fan.give_back(hold.payment_id)
        if is_running:
            await diversion.pass_all()
        end = await fan.end_of(checkout_id)

    assert (answer.status_code, answer.json()["type"]) == (409, "urn:problem:reservation-confirmed")
    assert str(checkout_id) in answer.json()["detail"]
    assert end["status"] == "completed"
    assert {seat.status for seat in (await standing(system, fan, hold)).seats} == {"RESERVED"}


async def test_checkout_yields_to_whoever_gave_the_hold_back(
    system: System, fan: Fan, hold: Hold, broker: Broker
) -> None:
    """A checkout that comes to a hold after that fails, and the points come back."""
    await fan.charge(hold.total)
    before = await standing(system, fan, hold)

    async with broker.diverted("reservation.confirm", "point.spent") as diversion:
        checkout_id = await fan.begin(hold)
        await diversion.heard(checkout_id, "point.spent")
        answer = await fan.give_back(hold.payment_id)
        await diversion.pass_all()
        end = await fan.end_of(checkout_id)
    await _closed(fan, hold.payment_id)

    assert answer.status_code == 202
    assert (end["status"], end["reason"]) == ("failed", "given-up")
    left = _without(before).after_failed("given-up", hold.total, spent=True)
    now = await standing(system, fan, hold)
    assert left.payment is not None
    assert now == left.but(payment=left.payment._replace(checkout_id=checkout_id))


async def test_race_of_giving_back_and_checkout_has_one_winner(system: System, catalogue: Catalogue) -> None:
    """Either the seats are sold or the points are back, never both."""
    fans = [Fan(system) for _ in range(8)]
    seat_ids = await catalogue.free(len(fans))
    holds = await asyncio.gather(*(fan.hold(seat_id) for fan, seat_id in zip(fans, seat_ids, strict=True)))
    await asyncio.gather(*(fan.charge(hold.total) for fan, hold in zip(fans, holds, strict=True)))

    async def race(number: int, fan: Fan, hold: Hold) -> tuple[int, str]:
        ordered = asyncio.create_task(fan.order(hold.payment_id, wait=30))
        for _ in range(number):  # each changes her mind a little later
            await fan.get("reservation", f"/reservations/{hold.payment_id}")
        given, answer = await fan.give_back(hold.payment_id), await ordered
        return given.status_code, answer.json()["status"] if answer.is_success else "refused"

    ends = await asyncio.gather(*(race(n, *one) for n, one in enumerate(zip(fans, holds, strict=True))))

    for (status, end), fan, hold in zip(ends, fans, holds, strict=True):
        assert (status, end) in ((409, "completed"), (202, "failed"), (202, "refused"))
        is_sold = end == "completed"
        if not is_sold:
            await _closed(fan, hold.payment_id)
        now = await standing(system, fan, hold)
        assert now.balance == (0 if is_sold else hold.total)
        assert now.seats[0].status == ("RESERVED" if is_sold else "AVAILABLE")


async def test_what_is_anothers_is_not_there(system: System, fan: Fan, hold: Hold, operator: Operator) -> None:
    """To others, operators included, somebody's hold looks like one that does not exist."""
    before = await standing(system, fan, hold)

    answers = [
        await Fan(system).give_back(hold.payment_id),
        await operator.give_back(hold.payment_id),
        await fan.give_back(MISSING),
    ]

    assert {answer.status_code for answer in answers} == {404}
    (shown,) = {tuple(sorted((answer.json() | {"instance": ""}).items())) for answer in answers}
    assert ("type", "urn:problem:not-found") in shown
    assert await standing(system, fan, hold) == before


async def test_hold_that_was_refused_has_nothing_to_give_back(system: System, fan: Fan, hold: Hold) -> None:
    """It is closed already, for the reason that it had."""
    other = Fan(system)
    refused = (await other.reserve(hold.seat_ids)).json()

    answer = await other.give_back(UUID(refused["payment_id"]))

    assert (answer.status_code, answer.json()) == (200, refused)
    assert (refused["status"], refused["reason"]) == ("rejected", "seat-taken")


async def test_hold_that_ran_out_is_given_back_already(system: System, fan: Fan, hold: Hold) -> None:
    """It stays expired, whoever asks."""
    await system.databases.change(
        "reservation", "UPDATE reservation SET expires_at = now() WHERE payment_id = $1", hold.payment_id
    )
    path = f"/reservations/{hold.payment_id}"
    await eventually(lambda: fan.get("reservation", path), lambda state: state["status"] == "expired")

    state = await _closed(fan, hold.payment_id)

    assert (state["status"], state["reason"]) == ("expired", "hold-expired")
