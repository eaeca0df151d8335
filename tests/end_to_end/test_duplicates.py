"""Messages that come twice: RabbitMQ delivers at least once, and every step acts once."""

import asyncio

from tests.choreography import ENDS
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import DEAR, Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import Observer
from tests.end_to_end.platform import Platform
from tests.end_to_end.quiet import quiet, stand_still
from tests.end_to_end.refusals import HEARS, REFUSALS, Refusal
from tests.end_to_end.system import System


async def _repeat(broker: Broker, observer: Observer, system: System) -> None:
    """Put every message that was heard twice more into the queue of each step that hears it: nothing changes."""
    await stand_still(system, broker)
    before, said = await system.databases.dump(), len(observer.messages)
    bindings = await broker.bindings()

    repeated = 0
    async with broker.nothing_fails():
        for message in list(observer.messages):
            for binding in bindings:
                if (binding.exchange, binding.routing_key) == (message.exchange, message.routing_key):
                    await asyncio.gather(broker.put(binding.queue, message), broker.put(binding.queue, message))
                    repeated += 2
        await quiet(system, broker)

    heard = [message for message in observer.messages[:said] if message.type not in ENDS]
    assert repeated >= 2 * len(heard) > 0
    assert len(observer.messages) == said, f"said again: {[one.type for one in observer.messages[said:]]}"
    assert await system.databases.dump() == before


async def test_everything_of_a_completed_checkout_may_come_twice(
    system: System, fan: Fan, catalogue: Catalogue, broker: Broker, observer: Observer, platform: Platform
) -> None:
    """Every message of a hold and of a completed checkout is handled once, and the platform has one delivery."""
    hold = await fan.hold(*await catalogue.free(2))
    await fan.charge(hold.total)
    checkout_id = await fan.begin(hold)
    await observer.heard(checkout_id, "payment.sent")

    await _repeat(broker, observer, system)

    assert await platform.attempts(checkout_id) == [201]


async def test_everything_of_refused_checkouts_may_come_twice(
    system: System, fan: Fan, catalogue: Catalogue, broker: Broker, observer: Observer
) -> None:
    """Every message of checkouts that were refused at each of their steps, and undone, is handled once."""
    hold = await fan.hold(*await catalogue.free(2))
    await observer.heard(await fan.begin(hold), "checkout.failed")
    await fan.charge(hold.total)
    for refusal in {one.step: one for one in REFUSALS}.values():
        await _fail(system, fan, hold, broker, observer, refusal)

    await _repeat(broker, observer, system)

    assert await fan.balance() == hold.total
    assert {message.type for message in observer.messages} >= {
        "point.rejected",
        "point.refunded",
        "reservation.rejected",
        "reservation.reverted",
        "payment.rejected",
        "payment.reverted",
        "seat.rejected",
    }


async def test_everything_of_refused_and_expired_holds_may_come_twice(
    system: System, fan: Fan, catalogue: Catalogue, broker: Broker, observer: Observer, operator: Operator
) -> None:
    """Every message of holds that were refused at each of their steps, or expired, is handled once."""
    seat_ids = await catalogue.free(2)
    await operator.withdraw(seat_ids[0])
    await fan.reserve(seat_ids)
    await operator.put_back(seat_ids[0])
    await fan.reserve(await catalogue.free(4, DEAR))
    hold = await fan.hold(*await catalogue.free())
    await system.databases.change(
        "reservation", "UPDATE reservation SET expires_at = now() WHERE payment_id = $1", hold.payment_id
    )
    await observer.heard(hold.payment_id, "reservation.closed")

    await _repeat(broker, observer, system)

    assert {message.type for message in observer.messages} >= {
        "seat.hold-rejected",
        "payment.publish-rejected",
        "seat.released",
        "reservation.expired",
        "payment.cancelled",
    }


async def test_checkout_survives_every_message_coming_twice_at_once(
    system: System, fan: Fan, hold: Hold, broker: Broker, observer: Observer, platform: Platform
) -> None:
    """A checkout of which every message is delivered three times in a row while it runs completes once."""
    await fan.charge(hold.total)
    checkout_id = await fan.begin(hold)
    bindings = {binding.routing_key: binding.queue for binding in await broker.bindings()}
    repeated = 0

    async def echo() -> bool:
        nonlocal repeated
        for message in observer.messages[repeated:]:
            repeated += 1
            if (queue := bindings.get(message.routing_key or "")) is not None:
                await asyncio.gather(broker.put(queue, message), broker.put(queue, message))
        return "payment.sent" in observer.names(checkout_id)

    await eventually(echo)
    await quiet(system, broker)

    names = observer.names(checkout_id)
    assert len(names) == len(set(names))
    assert await fan.balance() == 0
    delivery = await platform.delivery(checkout_id)
    assert delivery is not None
    assert (await fan.end_of(checkout_id))["status"] == "completed"


async def _fail(system: System, fan: Fan, hold: Hold, broker: Broker, observer: Observer, refusal: Refusal) -> None:
    """A checkout that is refused at one step, after which all is well again."""
    async with broker.diverted(refusal.step, HEARS[refusal.step]) as diversion:
        checkout_id = await fan.begin(hold)
        await diversion.heard(checkout_id, HEARS[refusal.step])
        async with refusal.spoiling(system, hold):
            await diversion.pass_all()
            await observer.heard(checkout_id, "checkout.failed")
