"""Deliveries of an effect are acknowledged when they are done, in whatever order that is."""

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from pamqp.commands import Basic

from chassis.broker.burst import Parcel
from chassis.broker.origin import Origins
from chassis.errors import MalformedMessageError
from chassis.run.effect import EffectConsumer
from tests.unit.lamps import Dark, Lit, a_service

if TYPE_CHECKING:
    from chassis.store.database import Database


class FakeChannel:
    """Knows what has not been acknowledged, and refuses what the broker would refuse."""

    def __init__(self, count: int) -> None:
        self.left = set(range(1, count + 1))
        self.acks: list[tuple[int, bool]] = []
        self.rejected: list[int] = []

    async def basic_ack(self, delivery_tag: int, *, multiple: bool) -> None:
        """Acknowledge one, or all up to it."""
        covered = {number for number in self.left if number == delivery_tag or (multiple and number < delivery_tag)}
        assert delivery_tag in covered, "the broker closes the channel for an unknown delivery tag"
        self.left -= covered
        self.acks.append((delivery_tag, multiple))

    async def basic_reject(self, delivery_tag: int, *, requeue: bool) -> None:
        """Have the broker park one."""
        assert delivery_tag in self.left
        assert not requeue
        self.left.remove(delivery_tag)
        self.rejected.append(delivery_tag)


class FakeMessage:
    """A message by its number."""

    def __init__(self, channel: FakeChannel, number: int) -> None:
        self.channel, self.delivery_tag = channel, number
        self.delivery = Basic.Deliver(exchange="lamps", routing_key="lamp.lit")
        self.header = SimpleNamespace(properties=Basic.Properties())
        self.body = b""


class Defect:
    """A way to the broker that cannot write what it is given."""

    async def deliver(self, parcel: Parcel) -> None:
        """Fail as nothing that is foreseen does."""
        raise OverflowError(parcel.routing_key)


class Together:
    """A way to the broker that confirms nothing before it has got so many messages."""

    def __init__(self, count: int) -> None:
        self._barrier = asyncio.Barrier(count)

    async def deliver(self, parcel: Parcel) -> None:
        """Confirm one once all are there."""
        await self._barrier.wait()


async def switch_off(lit: Lit) -> Dark:
    """Do what takes a while."""
    return Dark()


def consumer(channel: FakeChannel, publisher: Any = None) -> EffectConsumer:
    """A consumer that has taken all messages of the channel."""
    service = a_service()
    step = service.declared(service.effect(switch_off))
    made = EffectConsumer(step, cast("Database", None), {}, publisher, Origins("fans", "fans"), max_batch=10)
    made._open = set(channel.left)
    return made


async def settle(taken: EffectConsumer, channel: FakeChannel, *numbers: int) -> None:
    """These are done."""
    messages: list[Any] = [FakeMessage(channel, number) for number in numbers]
    await taken._settle(messages)


async def test_what_is_done_in_order_is_acknowledged_together() -> None:
    """One acknowledgement covers all that come before the first open one."""
    # given
    channel = FakeChannel(5)
    taken = consumer(channel)
    # when
    await settle(taken, channel, 2, 1, 3)
    # then
    assert channel.acks == [(3, True)]
    assert channel.left == {4, 5}


async def test_open_delivery_is_never_acknowledged() -> None:
    """What is done while an earlier one is open is acknowledged by itself; the open one when it is done."""
    # given
    channel = FakeChannel(6)
    taken = consumer(channel)
    # when
    await settle(taken, channel, 1, 3, 5)
    # then
    assert channel.left == {2, 4, 6}
    # when
    await settle(taken, channel, 2)
    await settle(taken, channel, 6)
    # then
    assert channel.left == {4}
    # when
    await settle(taken, channel, 4)
    # then
    assert not channel.left
    assert channel.acks == [(1, True), (3, False), (5, False), (2, True), (6, False), (4, True)]


async def test_nothing_is_done() -> None:
    """Then nothing is acknowledged."""
    # given
    channel = FakeChannel(2)
    # when
    await settle(consumer(channel), channel)
    # then
    assert channel.acks == []


async def test_what_cannot_be_sent_on_is_parked_by_the_broker() -> None:
    """Whatever it is that fails, the message takes no consumer along, and what lies around it is acknowledged."""
    channel = FakeChannel(3)
    taken = consumer(channel, Defect())
    culprits: list[Any] = [FakeMessage(channel, number) for number in (2, 3)]

    await taken._onward.send([(culprit, MalformedMessageError("no JSON")) for culprit in culprits])
    await settle(taken, channel, 1, 2, 3)

    assert channel.rejected == [2, 3]
    assert channel.acks == [(1, True)]
    assert not channel.left


async def test_messages_are_sent_on_together() -> None:
    """None waits for the confirm of another: a batch in which all have failed would hold up its step."""
    channel = FakeChannel(50)
    taken = consumer(channel, Together(50))
    failed: list[Any] = [FakeMessage(channel, number) for number in range(1, 51)]

    async with asyncio.timeout(10):
        await taken._onward.send([(one, MalformedMessageError("no JSON")) for one in failed])

    assert channel.rejected == []
