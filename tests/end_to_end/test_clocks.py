"""Nothing waits without a clock: what was parked and thrown away is noticed, and everything comes back or goes on."""

from uuid import UUID

from tests.choreography import completed, way_out
from tests.end_to_end.broker import Broker, Diversion
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.observing import Observer
from tests.end_to_end.quiet import quiet
from tests.end_to_end.standing import standing
from tests.end_to_end.system import System


async def _let_pass(system: System, checkout_id: UUID) -> None:
    """Let the deadline of a checkout be over for its clock. The messages on their way keep theirs."""
    await system.databases.change(
        "payment", "UPDATE checkout SET deadline = now() - interval '1 minute' WHERE checkout_id = $1", checkout_id
    )


async def test_checkout_whose_message_is_lost_fails(
    system: System, fan: Fan, hold: Hold, broker: Broker, observer: Observer
) -> None:
    """The clock asks, the seats are refused, and the points come back; what was lost does nothing when it comes."""
    await fan.charge(hold.total)
    before = await standing(system, fan, hold)

    async with broker.diverted("payment.pay", way_out()["payment.pay"]) as lost:
        checkout_id = await fan.begin(hold)
        await lost.heard(checkout_id, way_out()["payment.pay"])
        await _let_pass(system, checkout_id)
        end = await fan.end_of(checkout_id)
        after = await standing(system, fan, hold)
    await quiet(system, broker)

    assert (end["status"], end["reason"]) == ("failed", "deadline-passed")
    assert after == before.after_failed("deadline-passed", hold.total, spent=True)
    assert await standing(system, fan, hold) == after
    assert "checkout.completed" not in observer.names(checkout_id)
    assert (await fan.check_out(hold))["status"] == "completed"


async def test_checkout_that_was_never_heard_fails(
    system: System, fan: Fan, hold: Hold, broker: Broker, observer: Observer
) -> None:
    """Where nothing is to be undone, each service says so, and no points are spent when the request comes at last."""
    await fan.charge(hold.total)
    before = await standing(system, fan, hold)

    async with broker.diverted("point.spend", "checkout.requested") as lost:
        checkout_id = await fan.begin(hold)
        await lost.heard(checkout_id, "checkout.requested")
        await _let_pass(system, checkout_id)
        end = await fan.end_of(checkout_id)
    await quiet(system, broker)

    assert (end["status"], end["reason"]) == ("failed", "deadline-passed")
    assert observer.names(checkout_id) == [
        "checkout.requested",
        "checkout.overdue",
        "seat.rejected",
        "payment.reverted",
        "reservation.reverted",
        "point.unspent",
        "checkout.failed",
        "payment.failure-sent",
    ]
    assert await standing(system, fan, hold) == before.after_failed("deadline-passed", hold.total, spent=False)


async def test_checkout_whose_sale_is_lost_completes(
    system: System, fan: Fan, hold: Hold, broker: Broker, observer: Observer
) -> None:
    """What is sold stays sold: the clock asks, and the sale is said again."""
    await fan.charge(hold.total)

    async with broker.diverted("payment.complete", "seat.reserved") as lost:
        checkout_id = await fan.begin(hold)
        first = await lost.heard(checkout_id, "seat.reserved")
        await _let_pass(system, checkout_id)
        await _said_again(lost, checkout_id)
        again = lost.said(checkout_id)[1]
        await lost.pass_on(again)
        end = await fan.end_of(checkout_id)
    await quiet(system, broker)

    assert end["status"] == "completed"
    assert again.body == first.body
    assert again.headers["ce-id"] != first.headers["ce-id"]
    assert set(observer.names(checkout_id)) == {*completed(), "checkout.overdue"}
    assert {seat.status for seat in (await standing(system, fan, hold)).seats} == {"RESERVED"}


async def _said_again(lost: Diversion, checkout_id: UUID) -> None:
    async def count() -> int:
        return len(lost.said(checkout_id))

    await eventually(count, lambda said: said > 1)


async def test_hold_whose_message_is_lost_is_given_back(
    system: System, fan: Fan, catalogue: Catalogue, broker: Broker, observer: Observer
) -> None:
    """The clock gives the request up; the seats that its message takes after all are given back again."""
    seat_ids = await catalogue.free(2)

    async with broker.diverted("seat.hold", "reservation.requested") as lost:
        payment_id = UUID((await fan.reserve(seat_ids, wait=None)).json()["payment_id"])
        await lost.heard(payment_id, "reservation.requested")
        await system.databases.change(
            "reservation", "UPDATE reservation SET ask_at = now() WHERE payment_id = $1", payment_id
        )
        await observer.heard(payment_id, "reservation.closed")
        shown = await fan.get("reservation", f"/reservations/{payment_id}")
    await observer.heard(payment_id, "payment.published")
    await quiet(system, broker)

    assert (shown["status"], shown["reason"]) == ("expired", "deadline-passed")
    assert await fan.get("reservation", f"/reservations/{payment_id}") == shown
    now = await standing(system, fan, Hold(payment_id, tuple(seat_ids), 0))
    assert {(seat.status, seat.holder) for seat in now.seats} == {("AVAILABLE", None)}
    assert now.payment is not None
    assert now.payment.status == "CANCELLED"
