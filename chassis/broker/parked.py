"""Parked: looks at the messages that need a person, puts them back where they came from, or discards them.

Those that rest before another attempt can be looked at and discarded in the same way.

Putting back is a rejection: the parked queue dead-letters to the exchange of redeliveries, so that the broker itself
moves the message, and there is no moment at which a client holds two copies. The event keeps its id.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import AMQPError

from chassis.broker.connection import cancelled_by_nobody, reason_of
from chassis.broker.nodes import connect
from chassis.choreography.topology import PARKED, RETRY_DELAYS
from chassis.errors import SessionEndedError, UnreachableBrokerError

TIMEOUT = 10
LOOK_SECONDS = 60
"""How long the messages of one queue are looked at"""
MAX_LOOKED_AT = 10_000
"""How many of one queue"""

QueuesOf = Callable[[str], list[str]]
"""The queues of a service in which messages are put aside"""


@dataclass(frozen=True)
class Parked:
    """A message that was put aside, and its history. The broker holds it for this process until the connection ends."""

    message: AbstractIncomingMessage
    service: str

    @property
    def id(self) -> str:
        """The event's id, or the message's where there is none to be read."""
        return str(self.message.headers.get("ce-id") or self.message.message_id or "?")

    @property
    def queue(self) -> str:
        """The queue that it came from."""
        return self._way[1]

    @property
    def where(self) -> str:
        """Where it is: `parked`, or the delay that it rests for."""
        return self._way[0]

    @property
    def _way(self) -> tuple[str, str]:
        place, _, queue = (self.message.routing_key or "").partition(".")
        return place, queue

    def header(self, name: str) -> str:
        """A header, as text."""
        return str(self.message.headers.get(name, "-"))

    def story(self, body: str | None = None) -> dict[str, Any]:
        """Everything that is known about it, with another body if one is given."""
        return {
            "id": self.id,
            "queue": self.queue,
            "event": self.message.type,
            "saga_id": self.message.correlation_id,
            "headers": {name: _plain(value) for name, value in self.message.headers.items()},
            "body": self.message.body.decode(errors="replace") if body is None else body,
        }


@dataclass(frozen=True)
class Bounds:
    """How much a look may take."""

    count: int = MAX_LOOKED_AT
    """Messages of each queue"""
    seconds: float = LOOK_SECONDS
    """For the messages of each queue"""
    patience: float = TIMEOUT
    """Seconds for the broker to answer"""


BOUNDS = Bounds()


@dataclass
class Look:
    """What was found in some queues."""

    messages: list[Parked] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    """Queues that hold more than were looked at"""


def parked_queues(service: str) -> list[str]:
    """The queue of a service's messages that need a person."""
    return [f"{service}.{PARKED}"]


def resting_queues(service: str) -> list[str]:
    """The queues in which a service's messages rest before another attempt."""
    return [f"{service}.retry.{delay}" for delay in RETRY_DELAYS]


@asynccontextmanager
async def looking(
    rabbitmq_url: str, services: Sequence[str], queues_of: QueuesOf, bounds: Bounds = BOUNDS
) -> AsyncIterator[Look]:
    """The messages in those queues, within bounds; those that are not put back or discarded stay, in order.

    Raises UnreachableBrokerError.
    """
    try:
        async with asyncio.timeout(bounds.patience):
            connection = await connect(rabbitmq_url, bounds.patience)
    except (AMQPError, OSError, ValueError) as error:  # ValueError: what is no address at all
        raise UnreachableBrokerError(reason_of(error)) from error
    async with connection:
        look = Look()
        try:
            for service in services:
                for queue in queues_of(service):
                    await _find(connection, service, queue, look, bounds)
        except (AMQPError, OSError) as error:
            raise UnreachableBrokerError(reason_of(error)) from error
        yield look


async def _find(connection: AbstractConnection, service: str, name: str, look: Look, bounds: Bounds) -> None:
    count, end = 0, asyncio.get_running_loop().time() + bounds.seconds
    async with asyncio.timeout(bounds.seconds + bounds.patience):
        channel = await connection.channel()
        queue = await channel.get_queue(name, ensure=False)
        while (message := await queue.get(fail=False)) is not None:
            if count == bounds.count or asyncio.get_running_loop().time() > end:
                look.cut.append(name)
                break
            look.messages.append(Parked(message, service))
            count += 1


class Record(Protocol):
    """Where stands who did what to which message; it names no user."""

    async def append(self, action: str, one: Parked, reason: str | None) -> None:
        """Append what is about to be done; it is on disk when this returns."""


async def redrive(chosen: Sequence[Parked], rate: float, record: Record, done: Callable[[Parked], None]) -> None:
    """Put messages back to the queues that they came from, at most `rate` in a second.

    Raises UnreachableBrokerError.
    """
    for one in chosen:
        await record.append("redrive", one, reason=None)
        await _settled(one.message.reject(requeue=False))
        done(one)
        await asyncio.sleep(1 / rate)


async def discard(one: Parked, reason: str, record: Record) -> None:
    """Remove a message for good; the record keeps it, without the user that it names.

    Raises UnreachableBrokerError.
    """
    await record.append("discard", one, reason)
    await _settled(one.message.ack())


async def _settled(call: Awaitable[None]) -> None:
    try:
        with cancelled_by_nobody():
            await call
    except (AMQPError, OSError, RuntimeError, SessionEndedError) as error:  # RuntimeError: the channel is gone
        raise UnreachableBrokerError(reason_of(error)) from error


def _plain(value: Any) -> Any:
    is_json = isinstance(value, int | str | bool) or (isinstance(value, float) and math.isfinite(value))
    return value if is_json else str(value)
