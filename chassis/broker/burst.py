"""Burst: many messages in one write, with a confirm for each.

aiormq writes message by message, and each waits for its turn in the event loop: in a busy process they leave one by
one, milliseconds apart, and whoever hears them gets as many small batches. So this does for many what `basic_publish`
of aiormq 7.2 does for one, on the same state of the channel.
"""

from asyncio import Future
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from aiormq import Channel
from aiormq.abc import ChannelFrame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader


class Parcel(NamedTuple):
    """A message as the broker takes it."""

    exchange: str
    routing_key: str
    headers: dict[str, Any]
    body: bytes
    type: str | None
    correlation_id: str | None
    timestamp: datetime | None
    mandatory: bool = True


Confirm: TypeAlias = Future[Any]
Addressed: TypeAlias = tuple[Parcel, Basic.Properties]
"""A message with its properties, among them a `message_id` that no other message in flight has"""


async def write(channel: Channel, messages: Sequence[Addressed]) -> list[Confirm]:
    """Write messages as one; returns the futures of their confirms, in the same order.

    When one of them cannot be encoded, it raises what the encoder raises, and writes nothing.
    """
    frames = [frame for parcel, properties in messages for frame in _frames(channel, parcel, properties)]
    burst = ChannelFrame.marshall(channel_number=channel.number, frames=frames)
    async with channel.lock:
        confirms = [_expect(channel, str(properties.message_id)) for _, properties in messages]
        await channel.write_queue.put(burst)
    return confirms


def _frames(
    channel: Channel, parcel: Parcel, properties: Basic.Properties
) -> Iterator[Basic.Publish | ContentHeader | ContentBody]:
    yield Basic.Publish(exchange=parcel.exchange, routing_key=parcel.routing_key, mandatory=parcel.mandatory)
    yield ContentHeader(properties=properties, body_size=len(parcel.body))
    size = channel.max_content_size if channel.max_content_size > 0 else len(parcel.body)  # a broker may set no limit
    for start in range(0, len(parcel.body), size or 1):
        yield ContentBody(parcel.body[start : start + size])


def _expect(channel: Channel, message_id: str) -> Confirm:
    """The confirm of the next message: it comes by number, and a return before it by `message_id`."""
    channel.delivery_tag += 1
    confirm = channel.create_future()
    channel.confirmations[channel.delivery_tag] = confirm
    channel.message_id_delivery_tag[message_id] = channel.delivery_tag
    confirm.add_done_callback(lambda _: channel.message_id_delivery_tag.pop(message_id, None))
    return confirm
