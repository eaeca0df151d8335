"""How the relay ends."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import pytest

from chassis.broker.relay import Publishes, Relay
from chassis.store.database import Database
from chassis.store.departures import Departures
from chassis.store.outbox import LEASE, Outgoing
from chassis.store.transaction import Transaction
from contracts import point
from tests.memory.store import MemoryDatabase, MemorySession, MemorySource

LONG = 10.0


class Blocked:
    """A broker that takes nothing."""

    connected = False


class Open:
    """A broker that takes everything."""

    connected = True


def a_spent() -> point.Spent:
    """Something to be said."""
    return point.Spent(checkout_id=uuid4(), payment_id=uuid4(), user_id="ann", amount=1, deadline=datetime.now(UTC))


async def say(transaction: Transaction) -> None:
    """Say one event."""
    transaction.say(a_spent())


async def unreadable(*_: Any) -> None:
    """What was said before is in no state to be said again."""
    raise ValueError("no row that anybody can read")


class HangingDatabase:
    """Answers nothing."""

    async def run(self, _: Any) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


async def test_drain_ends_in_time_when_the_database_hangs() -> None:
    """What is confirmed stays in the outbox then, and is published once more by whoever comes next."""
    # given
    departures, message = Departures(), Outgoing(uuid4(), uuid4(), "lamp.lit", True, {}, "")
    departures.send([message])
    departures.landed(await departures.take(1), [message.event_id])
    relay = Relay(cast("Publishes", None), departures, cast("Database", HangingDatabase()))
    # when
    async with asyncio.timeout(LONG):
        await relay.drain([], seconds=0.01)
    # then
    assert departures.has_confirmed


@pytest.mark.parametrize("is_confirmed", [True, False], ids=["confirmed", "on its way"])
async def test_message_whose_lease_ran_out_on_its_way_is_published_once(is_confirmed: bool) -> None:
    """An alarm of the broker may outlast the lease; when it is over, the sweep finds what the pumps have in hand."""
    # given
    source, departures = MemorySource(), Departures()
    database = MemoryDatabase(source, departures, source.identity)
    relay = Relay(cast("Publishes", Open()), departures, database)
    await database.run(say)
    taken = await departures.take(10)
    if is_confirmed:
        departures.landed(taken, [message.event_id for message in taken])
    later = source.now() + 2 * LEASE
    source.now = lambda: later
    # when
    await relay.sweep_once()
    departures.landed(taken, [message.event_id for message in taken])
    # then
    departures.end()
    assert len(taken) == 1
    assert await departures.take(10) == []


async def test_message_that_is_asked_for_again_is_published_again() -> None:
    """What has left the outbox and comes back to it is a departure like any other."""
    # given
    source, departures = MemorySource(), Departures()
    database = MemoryDatabase(source, departures, source.identity)
    await database.run(say)
    (message,) = await departures.take(10)
    departures.landed([message], [message.event_id])
    await Relay(cast("Publishes", Open()), departures, database).forget_once()
    # when
    departures.send([message])
    # then
    assert await departures.take(10) == [message]


async def test_what_cannot_be_said_again_keeps_back_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with what was said before, what nobody has said yet is published."""
    # given
    source, crashed, departures = MemorySource(), Departures(), Departures()
    await MemoryDatabase(source, crashed, source.identity).run(say)
    (message,) = await crashed.take(10)
    later = source.now() + 2 * LEASE
    source.now = lambda: later
    monkeypatch.setattr(MemorySession, "repeat", unreadable)
    # when
    with pytest.raises(ValueError, match="no row"):
        await Relay(
            cast("Publishes", Open()), departures, MemoryDatabase(source, departures, source.identity)
        ).sweep_once()
    # then
    assert [one.event_id for one in await departures.take(10)] == [message.event_id]


async def test_message_is_kept_from_other_replicas_as_long_as_the_broker_takes_nothing() -> None:
    """An alarm may outlast the lease; whichever replica sweeps first after it finds nothing to do."""
    # given
    source, departures, others = MemorySource(), Departures(), Departures()
    database = MemoryDatabase(source, departures, source.identity)
    await database.run(say)
    # when
    moments = [source.now()]
    source.now = lambda: moments[-1]
    for _ in range(3):
        moments.append(source.now() + 0.9 * LEASE)
        await Relay(cast("Publishes", Blocked()), departures, database).sweep_once()
        await Relay(cast("Publishes", Open()), others, MemoryDatabase(source, others, source.identity)).sweep_once()
    # then
    others.end()
    assert await others.take(10) == []
