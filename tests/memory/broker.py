"""The broker, in memory: routes by the topology that the services declare, retries and parked messages included.

What a message rests for in the queue of a delay has passed when it is asked for: an adversary decides about time.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from chassis.broker.burst import Parcel
from chassis.choreography.declaration import Service
from chassis.choreography.topology import Binding, Queue, topology
from chassis.errors import NotPublishedError
from chassis.store.outbox import Outgoing


@dataclass(frozen=True)
class Message:
    """A message in a queue."""

    headers: dict[str, Any]
    body: bytes
    type: str | None = None

    @property
    def delivered(self) -> DeliveredMessage:
        """The message as a consumer gets it; there is no channel to acknowledge it on."""
        properties = Basic.Properties(headers=self.headers, message_type=self.type)
        header = ContentHeader(properties=properties, body_size=len(self.body))
        return DeliveredMessage(delivery=Basic.Deliver(), header=header, body=self.body, channel=None)  # type: ignore[arg-type]


class MemoryBroker:
    """Exchanges, queues and bindings of some services; `arrived` is what nobody has taken yet, in its order."""

    def __init__(self, services: Sequence[Service]) -> None:
        parts = [topology(service) for service in services]
        self._bindings = tuple(binding for part in parts for binding in part.bindings)
        self._queues = {queue.name: queue for part in parts for queue in part.queues}
        self.arrived: list[tuple[str, Message]] = []

    def take(self) -> list[tuple[str, Message]]:
        """What has arrived, with its queues."""
        taken, self.arrived = self.arrived, []
        return taken

    def put(self, exchange: str, routing_key: str, message: Message) -> bool:
        """Route a message; says whether some queue has taken it."""
        queues = _route(self._bindings, exchange, routing_key)
        for name in queues:
            queue = self._queues[name]
            if "x-message-ttl" in queue.arguments:
                self.put(queue.arguments["x-dead-letter-exchange"], routing_key, message)
            else:
                self.arrived.append((name, message))
        return bool(queues)

    def queue(self, name: str) -> Queue:
        """A queue as it was declared."""
        return self._queues[name]


@dataclass
class MemoryPublisher:
    """What a service publishes with."""

    broker: MemoryBroker
    service: str
    connected: bool = True
    is_heard: bool = True
    """Whether the broker takes and confirms what is published"""
    unrouted: list[Outgoing] = field(default_factory=list)
    """What should have been heard, and no queue was there for"""

    async def publish(self, messages: Sequence[Outgoing]) -> list[UUID]:
        """Publish events; returns the ids of those that some queue has taken, or that nobody needs to hear."""
        if not self.is_heard:
            return []
        return [message.event_id for message in messages if self._publish(message)]

    async def deliver(self, parcel: Parcel) -> None:
        """Publish one message; raises NotPublishedError when the broker does not take it."""
        if not self.is_heard:
            raise NotPublishedError(f"{parcel.routing_key} was not confirmed")
        assert self.broker.put(parcel.exchange, parcel.routing_key, Message(parcel.headers, parcel.body, parcel.type))

    def _publish(self, message: Outgoing) -> bool:
        sent = Message(message.headers, message.body.encode(), message.routing_key)
        if self.broker.put(self.service, message.routing_key, sent) or not message.mandatory:
            return True
        self.unrouted.append(message)
        return False


@cache
def _route(bindings: tuple[Binding, ...], exchange: str, routing_key: str) -> tuple[str, ...]:
    """The queues, once each, whose patterns fit: `*` stands for a word, `#` for any number of words."""
    fitting = (one.queue for one in bindings if one.exchange == exchange and _fits(one.routing_key, routing_key))
    return tuple(dict.fromkeys(fitting))


def _fits(pattern: str, routing_key: str) -> bool:
    words = {"*": r"[^.]+", "#": ".*"}
    expression = r"\.".join(words.get(word, re.escape(word)) for word in pattern.split("."))
    return re.fullmatch(expression, routing_key) is not None
