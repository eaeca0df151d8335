"""The publisher confirms what the broker has confirmed, and survives what becomes of connections."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

import pamqp.frame
import pytest
from aiormq.abc import ChannelFrame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from chassis.broker import publisher as publishing
from chassis.broker.connection import cancelled_by_nobody
from chassis.broker.publisher import Publisher
from chassis.broker.relay import Relay
from chassis.errors import NotPublishedError, SessionEndedError
from chassis.store.database import Database
from chassis.store.departures import Departures
from chassis.store.outbox import Outgoing

LOST, UNROUTABLE, SILENT, REFUSED, GOOD = (
    "thing.lost",
    "thing.unroutable",
    "thing.silent",
    "thing.refused",
    "thing.done",
)
ANSWERS = {LOST: asyncio.CancelledError(), UNROUTABLE: ValueError("no route"), REFUSED: Basic.Nack(), GOOD: Basic.Ack()}


class FakeChannel:
    """The state of a channel of aiormq, and a broker that reads what is written and answers by the routing key.

    It confirms what is good; what is lost ends as aiormq ends it when it gives up a connection.
    """

    number = 1
    max_content_size = 16

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.delivery_tag = 0
        self.confirmations: dict[int, asyncio.Future[Any]] = {}
        self.message_id_delivery_tag: dict[str, int] = {}
        self.write_queue = self
        self.writes: list[list[str]] = []
        """The routing keys of each write"""
        self.bodies: list[bytes] = []

    def create_future(self) -> "asyncio.Future[Any]":
        """A confirm to come."""
        return asyncio.get_running_loop().create_future()

    async def put(self, burst: ChannelFrame) -> None:
        """Read a write, and answer."""
        frames = list(decoded(burst.payload))
        keys = [str(frame.routing_key) for frame in frames if isinstance(frame, Basic.Publish)]
        self.writes.append(keys)
        for frame in frames:
            if isinstance(frame, ContentHeader):
                self.bodies.append(b"")
            elif isinstance(frame, ContentBody):
                assert len(frame.value) <= self.max_content_size
                self.bodies[-1] += frame.value
        for tag, key in enumerate(keys, self.delivery_tag - len(keys) + 1):
            asyncio.get_running_loop().call_soon(self._answer, self.confirmations[tag], ANSWERS.get(key))

    def _answer(self, confirm: "asyncio.Future[Any]", answer: Any) -> None:
        if isinstance(answer, BaseException):
            confirm.set_exception(answer)
        elif answer is not None:
            confirm.set_result(answer)


def decoded(payload: bytes) -> Iterator[Any]:
    """The frames in what is written."""
    while payload:
        length, _, frame = pamqp.frame.unmarshal(payload)
        yield frame
        payload = payload[length:]


def message(number: int, routing_key: str = GOOD, body: str = "{}") -> Outgoing:
    """Something that was said."""
    headers = {"ce-time": "2026-01-01T00:00:00+00:00"}
    return Outgoing(UUID(int=number), UUID(int=number), routing_key, mandatory=True, headers=headers, body=body)


@pytest.fixture
def channel() -> FakeChannel:
    """The channel of the publisher."""
    return FakeChannel()


@pytest.fixture
def publisher(channel: FakeChannel) -> Publisher:
    """A publisher with a channel."""
    connected = Publisher("thing", "amqp://thing:secret@127.0.0.1/")
    connected._channel = channel  # type: ignore[assignment]  # as far as it is used
    return connected


async def test_only_what_was_confirmed_counts(publisher: Publisher) -> None:
    """A message that the broker did not take, or about which nobody knows, harms none of the others."""
    # when
    keys = (GOOD, UNROUTABLE, LOST, REFUSED, GOOD)
    confirmed = await publisher.publish([message(number, key) for number, key in enumerate(keys)])
    # then
    assert confirmed == [UUID(int=0), UUID(int=4)]


async def test_messages_are_written_together(publisher: Publisher, channel: FakeChannel) -> None:
    """One write for all; a body that is larger than a frame goes in pieces."""
    # given
    bodies = ["{}", "x" * 40, "", "y" * 16]
    # when
    await publisher.publish([message(number, body=body) for number, body in enumerate(bodies)])
    # then
    assert channel.writes == [[GOOD] * 4]
    assert channel.bodies == [body.encode() for body in bodies]
    assert not channel.message_id_delivery_tag, "nothing is remembered of what was confirmed"


async def test_message_that_cannot_be_written_keeps_back_no_other(publisher: Publisher, channel: FakeChannel) -> None:
    """Then they are written one by one."""
    # given
    too_long = "thing." + "x" * 300
    # when
    confirmed = await publisher.publish([message(1), message(2, too_long), message(3)])
    # then
    assert confirmed == [UUID(int=1), UUID(int=3)]
    assert channel.writes == [[GOOD], [GOOD]]


async def test_channel_whose_confirm_is_late_is_given_up(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was confirmed in time counts, and nothing after that on this channel."""
    # given
    monkeypatch.setattr(publishing, "PUBLISH_TIMEOUT", 0.1)
    # when
    confirmed = await publisher.publish([message(1), message(2, SILENT)])
    # then
    assert confirmed == [UUID(int=1)]
    with pytest.raises(SessionEndedError):
        await publisher._until_broken()


async def test_connection_that_is_given_up_is_an_error(publisher: Publisher) -> None:
    """Whoever publishes is told so, and not cancelled."""
    with pytest.raises(NotPublishedError):
        await publisher.deliver(publisher._parcel(message(1, LOST)))


async def test_message_that_can_never_be_written_is_no_failure_of_the_broker(publisher: Publisher) -> None:
    """Else it would be written again and again; as it is, whoever sends it on puts it aside."""
    with pytest.raises(TypeError, match="string exceeds"):
        await publisher.deliver(publisher._parcel(message(1, "thing." + "x" * 300)))


async def test_pump_goes_on_after_a_connection_was_given_up(publisher: Publisher) -> None:
    """What is sent after a lost connection is published."""
    # given
    departures = Departures()
    relay = Relay(publisher, departures, cast("Database", None))
    pump = asyncio.create_task(relay.pump())
    departures.send([message(1, LOST)])
    # when
    departures.send([message(2)])
    async with asyncio.timeout(5):
        await departures.confirmed()
    # then
    assert departures.take_confirmed() == [UUID(int=2)]
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
