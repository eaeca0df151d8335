"""Messages that come long after: when nobody remembers them any more, the rows themselves guard what was done."""

import json
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from aio_pika.abc import AbstractIncomingMessage

from stack.services import SERVICES
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold, Operator
from tests.end_to_end.observing import Observer
from tests.end_to_end.platform import Platform
from tests.end_to_end.quiet import quiet, stand_still
from tests.end_to_end.standing import standing
from tests.end_to_end.system import System

LONG_AGO = "2026-01-01T00:00:00Z"

Replay = Callable[..., Awaitable[None]]


def _late(message: AbstractIncomingMessage) -> bytes:
    """The body of a message whose deadline, if it has one, is over by now."""
    body = json.loads(message.body)
    return json.dumps(body | ({"deadline": LONG_AGO} if "deadline" in body else {})).encode()


@pytest.fixture
async def replay(system: System, broker: Broker, observer: Observer) -> Replay:
    """Forgets that anything was handled, and delivers what was heard again: of one saga, one event, all but one."""

    async def again(*, of: UUID | None = None, only: str | None = None, without: str | None = None) -> None:
        await quiet(system, broker)
        sagas = list({message.correlation_id for message in observer.messages})
        for service in SERVICES:
            await system.databases.rows(service, "DELETE FROM inbox WHERE saga_id::text = ANY($1::text[])", sagas)
        heard = observer.said(of) if of else observer.messages
        chosen = [one for one in heard if only in (None, one.type) and one.type != without]
        bindings = await broker.bindings()
        async with broker.nothing_fails():
            for message in chosen:
                for binding in bindings:
                    if (binding.exchange, binding.routing_key) == (message.exchange, message.routing_key):
                        await broker.put(binding.queue, message, _late(message))
            await quiet(system, broker)

    return again


async def _rows(system: System) -> dict[str, list[str]]:
    """Every row of every table, but for the inboxes, which hear of late messages again.

    The platform answers once more what it is told again; when it did is left out.
    """
    dumped = await system.databases.dump()
    dumped["payment.notice"] = [json.dumps(json.loads(row) | {"at": None}) for row in dumped["payment.notice"]]
    return {table: rows for table, rows in dumped.items() if not table.endswith(".inbox")}


async def test_expired_hold_does_not_come_back(
    system: System, fan: Fan, catalogue: Catalogue, broker: Broker, observer: Observer, replay: Replay
) -> None:
    """The request of a hold that is over does not occupy its seats again."""
    hold = await fan.hold(*await catalogue.free(2))
    await _expire(system, hold, observer)
    await quiet(system, broker)
    before = (await standing(system, fan, hold)).seats

    await replay(only="reservation.requested")

    after = (await standing(system, fan, hold)).seats
    await system.databases.change(
        "seat", "UPDATE seat SET status = 'AVAILABLE', holder = NULL WHERE seat_id = ANY($1::int[])", hold.seat_ids
    )
    assert after == before


async def test_delivery_may_be_repeated(
    system: System, fan: Fan, hold: Hold, broker: Broker, observer: Observer, platform: Platform
) -> None:
    """A delivery that is begun again after it was forgotten is known to the platform, and holds nobody up."""
    await fan.charge(hold.total)
    checkout_id = await fan.begin(hold)
    await observer.heard(checkout_id, "payment.sent")
    completed = await observer.heard(checkout_id, "checkout.completed")
    await system.databases.change("payment", "DELETE FROM inbox WHERE saga_id = $1", checkout_id)

    async def handled() -> int:
        query = "SELECT count(*) FROM inbox WHERE step = 'payment.send' AND saga_id = $1"
        return int(await system.databases.value("payment", query, checkout_id))

    await broker.put("payment.send", completed)

    try:
        await eventually(handled, within=5)
        assert await platform.attempts(checkout_id) == [201, 200]
    finally:
        if not await handled():
            # As long as this test fails: the way is free once the first outcome is gone.
            await system.databases.rows("payment", "DELETE FROM delivery WHERE checkout_id = $1", checkout_id)
        await eventually(handled)
        await quiet(system, broker)


async def test_completed_checkout_stays_completed(
    system: System, fan: Fan, catalogue: Catalogue, broker: Broker, observer: Observer, replay: Replay
) -> None:
    """Nothing that led to a completed checkout can change it, spend twice or sell twice when it comes again."""
    hold = await fan.hold(*await catalogue.free(2))
    await fan.charge(3 * hold.total)
    await observer.heard(await fan.begin(hold), "payment.sent")
    await stand_still(system, broker)
    before = await _rows(system)

    await replay(without="checkout.completed")

    assert await _rows(system) == before


async def test_failed_checkout_stays_failed(
    system: System,
    fan: Fan,
    catalogue: Catalogue,
    broker: Broker,
    observer: Observer,
    operator: Operator,
    replay: Replay,
) -> None:
    """Nothing of a checkout that was undone refunds twice, spends again or touches the hold when it comes again."""
    hold = await fan.hold(*await catalogue.free(2))
    await fan.charge(hold.total)
    await operator.withdraw(hold.seat_ids[0])
    await observer.heard(await fan.begin(hold), "checkout.failed")
    await operator.put_back(hold.seat_ids[0])
    await stand_still(system, broker)
    before = await _rows(system)

    await replay()

    assert await _rows(system) == before
    assert (await fan.check_out(hold))["status"] == "completed"


async def test_earlier_attempt_cannot_undo_a_later_one(
    system: System,
    fan: Fan,
    catalogue: Catalogue,
    broker: Broker,
    observer: Observer,
    operator: Operator,
    replay: Replay,
) -> None:
    """The compensations of a failed checkout leave alone what a later checkout of the same payment did."""
    hold = await fan.hold(*await catalogue.free(2))
    await fan.charge(2 * hold.total)
    await operator.withdraw(hold.seat_ids[0])
    failed = await fan.begin(hold)
    await observer.heard(failed, "checkout.failed")
    await operator.put_back(hold.seat_ids[0])
    await observer.heard(await fan.begin(hold), "payment.sent")
    await stand_still(system, broker)
    before = await _rows(system)

    await replay(of=failed)

    assert await _rows(system) == before


async def test_expired_hold_cannot_release_the_next_one(
    system: System, fan: Fan, catalogue: Catalogue, broker: Broker, observer: Observer, replay: Replay
) -> None:
    """What took the seats from an expired hold does not take them from whoever holds them now."""
    hold = await fan.hold(*await catalogue.free(2))
    await _expire(system, hold, observer)
    next_fan = Fan(system)
    await next_fan.charge(hold.total)
    next_hold = await next_fan.hold(*hold.seat_ids)
    await stand_still(system, broker)
    before = await _rows(system)

    await replay(of=hold.payment_id)

    assert await _rows(system) == before
    assert (await next_fan.check_out(next_hold))["status"] == "completed"


async def _expire(system: System, hold: Hold, observer: Observer) -> None:
    await system.databases.change(
        "reservation", "UPDATE reservation SET expires_at = now() WHERE payment_id = $1", hold.payment_id
    )
    await observer.heard(hold.payment_id, "reservation.closed")
