"""Renewal: makes a queue anew whose arguments are not as declared, and keeps what is in it.

The arguments of a queue cannot be changed. So its messages wait in a spare queue, which is bound to what it was bound
to, while it is deleted and declared. Whatever ends this in between, the next run goes on from there: at every moment
each message is in one of the two queues, or in both, which the inbox of its step takes care of.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage, AbstractQueue

from chassis.broker.connection import answered, exists, is_as_declared
from chassis.broker.origin import ORIGIN
from chassis.broker.retry import ATTEMPT, FIRST_FAILED, LAST_ERROR, STEP, attempts_in
from chassis.choreography.envelope import HEADERS
from chassis.choreography.topology import LOOKING_LIMIT, Binding, Queue
from chassis.errors import QueueInUseError

KEPT = (*HEADERS, FIRST_FAILED, STEP, LAST_ERROR, ORIGIN)
EVERYTHING = "#"
LOCK = "chassis.renewal"
MOVED_AT_ONCE = 100
SETTLE_SECONDS = 1.0
"""How long an empty queue is left: what has just expired is still on its way to where it goes, and not counted"""


class Spare(NamedTuple):
    """Where messages wait: an exchange that keeps their routing keys, which say where a retry leads, and a queue."""

    exchange: AbstractExchange
    queue: AbstractQueue


async def lock(channel: AbstractChannel) -> None:
    """Keep others from renewing while the connection stands; raises ChannelLockedResource when somebody else does."""
    await answered(channel.declare_queue(LOCK, exclusive=True))


async def renew(connection: AbstractConnection, queue: Queue, bindings: Sequence[Binding]) -> int | None:
    """Make a queue anew if it has to be; returns how many messages were in it, or None when it was as it should be.

    Raises QueueInUseError when somebody consumes from it: what was handed out would be lost.
    """
    begun = await exists(connection, _spare_name(queue))
    if not begun and not await exists(connection, queue.name):
        return None  # its service will declare it, and has to see that it was missing
    is_right = await is_as_declared(connection, queue)
    if is_right and not begun:
        return None
    async with connection.channel(on_return_raises=True) as channel:
        spare = await _spare(channel, queue)
        if not is_right:
            await _set_aside(channel, queue, bindings, spare)
            await answered(channel.declare_queue(queue.name, durable=True, arguments=queue.arguments))
        return await _put_back(channel, queue, bindings, spare)


def _spare_name(queue: Queue) -> str:
    return f"{queue.name}.spare"


async def _spare(channel: AbstractChannel, queue: Queue) -> Spare:
    name = _spare_name(queue)
    arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": LOOKING_LIMIT}
    return Spare(
        await answered(channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)),
        await answered(channel.declare_queue(name, durable=True, arguments=arguments)),
    )


async def _set_aside(channel: AbstractChannel, queue: Queue, bindings: Sequence[Binding], spare: Spare) -> None:
    """Have everything wait in the spare queue, what comes in included, and delete the old one."""
    old = await _unused(channel, queue)
    await answered(spare.queue.bind(spare.exchange, EVERYTHING))
    await _rebind(bindings, old, spare.queue)
    while (old := await _unused(channel, queue)).declaration_result.message_count:
        await _move(old, spare.exchange)
    await asyncio.sleep(SETTLE_SECONDS)
    await answered(old.delete(if_unused=False, if_empty=False))


async def _put_back(channel: AbstractChannel, queue: Queue, bindings: Sequence[Binding], spare: Spare) -> int:
    """Have everything go to the new queue, and delete the spare one."""
    new = await channel.get_queue(queue.name, ensure=False)
    await answered(new.bind(spare.exchange, EVERYTHING))
    await answered(spare.queue.unbind(spare.exchange, EVERYTHING))
    await _rebind(bindings, spare.queue, new)
    moved = await _move(spare.queue, spare.exchange)
    await answered(spare.queue.delete(if_unused=False, if_empty=False))
    await answered(spare.exchange.delete())
    return moved


async def _unused(channel: AbstractChannel, queue: Queue) -> AbstractQueue:
    found = await answered(channel.declare_queue(queue.name, passive=True))
    if found.declaration_result.consumer_count:
        raise QueueInUseError(f"{queue.name} is consumed from")
    return found


async def _rebind(bindings: Sequence[Binding], before: AbstractQueue, after: AbstractQueue) -> None:
    """What is bound to one queue is bound to another: to both for a moment, and never to none."""
    for binding in bindings:
        await answered(after.bind(binding.exchange, binding.routing_key))
        await answered(before.unbind(binding.exchange, binding.routing_key))


async def _move(queue: AbstractQueue, exchange: AbstractExchange) -> int:
    """Publish all that is in a queue to an exchange, with confirms, and only then acknowledge it."""
    moved = 0
    while batch := await _some(queue):
        await answered(asyncio.gather(*(exchange.publish(copy_of(one), one.routing_key or "") for one in batch)))
        await batch[-1].ack(multiple=True)
        moved += len(batch)
    return moved


async def _some(queue: AbstractQueue) -> list[AbstractIncomingMessage]:
    found: list[AbstractIncomingMessage] = []
    while len(found) < MOVED_AT_ONCE and (one := await answered(queue.get(fail=False))) is not None:
        found.append(one)
    return found


def copy_of(message: AbstractIncomingMessage, body: bytes | None = None) -> aio_pika.Message:
    """The same message, with another body if one is given, and the headers of an event and ours.

    Others may be orders to the broker, such as CC.

    It keeps the name of who said it, for which its user needs the tag `impersonator`.
    """
    headers = {name: message.headers[name] for name in KEPT if name in message.headers}
    attempts = attempts_in(message.headers)
    return aio_pika.Message(
        message.body if body is None else body,
        headers=headers | ({ATTEMPT: attempts} if attempts else {}),
        content_type=message.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        correlation_id=message.correlation_id,
        message_id=message.message_id,
        timestamp=message.timestamp,
        type=message.type,
        app_id=message.app_id,
        user_id=message.user_id,
    )
