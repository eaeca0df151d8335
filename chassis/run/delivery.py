"""Delivery: a message that was understood, and its acknowledgement."""

import asyncio
from typing import NamedTuple

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from chassis.broker.connection import CALL_TIMEOUT, cancelled_by_nobody
from chassis.choreography.envelope import Envelope


class Delivery(NamedTuple):
    """A message that was parsed, and the delivery to acknowledge."""

    envelope: Envelope
    message: DeliveredMessage

    @property
    def came_again(self) -> bool:
        """Whether the broker has handed it out before, to a session that ended."""
        return isinstance(self.message.delivery, Basic.Deliver) and bool(self.message.delivery.redelivered)


def number_of(message: DeliveredMessage) -> int:
    """The number that a message has on its channel, in the order of arrival."""
    return message.delivery_tag or 0


async def acknowledge(message: DeliveredMessage, *, multiple: bool = False) -> None:
    """Acknowledge a delivery, or all up to it."""
    with cancelled_by_nobody():
        async with asyncio.timeout(CALL_TIMEOUT):
            await message.channel.basic_ack(number_of(message), multiple=multiple)


async def put_aside(message: DeliveredMessage) -> None:
    """Have the broker park a delivery as it is: what its queue rejects goes to the parked messages."""
    with cancelled_by_nobody():
        async with asyncio.timeout(CALL_TIMEOUT):
            await message.channel.basic_reject(number_of(message), requeue=False)
