"""Parked: looks at the messages that need a person, puts them back where they came from, or discards them.

Those that rest before another attempt can be looked at and discarded in the same way.

Putting back is a rejection: the parked queue dead-letters to the exchange of redeliveries, so that the broker itself
moves the message, and there is no moment at which a client holds two copies. The event keeps its id.
"""

import asyncio
import getpass
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import AMQPError

from chassis.broker.connection import reason_of
from chassis.choreography.topology import PARKED, RETRY_DELAYS
from chassis.errors import UnreachableBrokerError

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


def parked_queues(service: str) -> list[str]:
    """The queue of a service's messages that need a person."""
    return [f"{service}.{PARKED}"]


def resting_queues(service: str) -> list[str]:
    """The queues in which a service's messages rest before another attempt."""
    return [f"{service}.retry.{delay}" for delay in RETRY_DELAYS]


@asynccontextmanager
async def looking(rabbitmq_url: str, services: Sequence[str], queues_of: QueuesOf) -> AsyncIterator[list[Parked]]:
    """All messages in those queues, of each up to a limit; those that are not put back or discarded stay, in order.

    Raises UnreachableBrokerError.
    """
    try:
        async with asyncio.timeout(TIMEOUT):
            connection = await aio_pika.connect(rabbitmq_url, timeout=TIMEOUT)
    except (AMQPError, OSError, ValueError) as error:  # ValueError: what is no address at all
        raise UnreachableBrokerError(reason_of(error)) from error
    async with connection:
        try:
            found = [
                one
                for service in services
                for queue in queues_of(service)
                for one in await _find(connection, service, queue)
            ]
        except (AMQPError, OSError) as error:
            raise UnreachableBrokerError(reason_of(error)) from error
        yield found


async def _find(connection: AbstractConnection, service: str, name: str) -> list[Parked]:
    found: list[Parked] = []
    async with asyncio.timeout(LOOK_SECONDS):
        channel = await connection.channel()
        queue = await channel.get_queue(name, ensure=False)
        while len(found) < MAX_LOOKED_AT and (message := await queue.get(fail=False)) is not None:
            found.append(Parked(message, service))
    return found


async def redrive(chosen: Sequence[Parked], rate: float, audit: Path, done: Callable[[Parked], None]) -> None:
    """Put messages back to the queues that they came from, at most `rate` in a second."""
    for one in chosen:
        record(audit, "redrive", one, reason=None)
        await one.message.reject(requeue=False)
        done(one)
        await asyncio.sleep(1 / rate)


async def discard(one: Parked, reason: str, audit: Path) -> None:
    """Remove a message for good; the audit record keeps it, without the user that it names."""
    record(audit, "discard", one, reason)
    await one.message.ack()


def record(audit: Path, action: str, one: Parked, reason: str | None) -> None:
    """Append who did what to which message, on disk before it is done; it names no user."""
    entry = {"at": datetime.now(UTC).isoformat(), "who": getpass.getuser(), "action": action, "reason": reason}
    with audit.open("a") as file:
        file.write(json.dumps(entry | {"message": one.story(body=anonymous(one.message.body))}) + "\n")
        file.flush()
        os.fsync(file.fileno())


def anonymous(body: bytes) -> str:
    """A body without the user that it names; of one that cannot be read only how to tell it from others."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return f"{len(body)} bytes with the SHA-256 {hashlib.sha256(body).hexdigest()}"
    return json.dumps({name: value for name, value in said.items() if name != "user_id"})


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | bool) else str(value)
