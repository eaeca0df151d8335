"""The publisher confirms what the broker has confirmed, and survives what becomes of connections."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from pamqp.commands import Basic

from chassis.broker import SessionEndedError, cancelled_by_nobody
from chassis.outbox import Outgoing
from chassis.publisher import NotPublishedError, Publisher
from chassis.relay import Relay

LOST, UNROUTABLE, GOOD = "thing.lost", "thing.unroutable", "thing.done"


class FakeChannel:
    """Confirms what is good; what is lost ends as aiormq ends it when it gives up a connection."""

    async def basic_publish(self, _: bytes, *, routing_key: str, **__: Any) -> Basic.Ack:
        """The answer of the broker."""
        await asyncio.sleep(0)
        if routing_key == LOST:
            raise asyncio.CancelledError
        if routing_key == UNROUTABLE:
            raise ValueError("no route")
        return Basic.Ack()


def message(number: int, routing_key: str = GOOD) -> Outgoing:
    """Something that was said."""
    headers = {"ce-time": "2026-01-01T00:00:00+00:00"}
    return Outgoing(UUID(int=number), UUID(int=number), routing_key, mandatory=True, headers=headers, body="{}")


@pytest.fixture
def publisher() -> Publisher:
    """A publisher with a channel."""
    connected = Publisher("thing", "amqp://thing:secret@127.0.0.1/")
    connected._channel = FakeChannel()  # type: ignore[assignment]  # as far as it is used
    return connected


async def test_only_what_was_confirmed_counts(publisher: Publisher) -> None:
    """A message that the broker did not take, or about which nobody knows, harms none of the others."""
    # when
    confirmed = await publisher.publish([message(1), message(2, UNROUTABLE), message(3, LOST), message(4)])
    # then
    assert confirmed == [UUID(int=1), UUID(int=4)]


async def test_connection_that_is_given_up_is_an_error(publisher: Publisher) -> None:
    """Whoever publishes is told so, and not cancelled."""
    with pytest.raises(NotPublishedError):
        await publisher._put(publisher._parcel(message(1, LOST)))


async def test_pump_goes_on_after_a_connection_was_given_up(publisher: Publisher) -> None:
    """What is sent after a lost connection is published."""
    # given
    relay = Relay(publisher)
    pump = asyncio.create_task(relay.pump())
    relay.send([message(1, LOST)])
    # when
    relay.send([message(2)])
    async with asyncio.timeout(5):
        await relay.confirmed()
    # then
    assert relay.take_confirmed() == [UUID(int=2)]
    assert not pump.done()
    pump.cancel()


async def test_who_is_cancelled_stays_cancelled() -> None:
    """A CancelledError that somebody asked for is let through."""
    started = asyncio.Event()

    async def work() -> None:
        with cancelled_by_nobody():
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await started.wait()
    # when
    task.cancel()
    # then
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nobody_is_cancelled_by_nobody() -> None:
    """A CancelledError that nobody asked for means that the session has ended."""
    with pytest.raises(SessionEndedError), cancelled_by_nobody():
        raise asyncio.CancelledError
