"""Publisher: the only way to the broker, with confirms, on a connection of its own."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from pamqp.commands import Basic
from yarl import URL

from chassis import metrics
from chassis.broker import CALL_TIMEOUT, SessionEndedError, describe, until_closed
from chassis.crash import Point, crash_point
from chassis.outbox import Outgoing
from chassis.transaction import new_id

log = structlog.get_logger(__name__)

PUBLISH_TIMEOUT = 5


class NotPublishedError(Exception):
    """The broker did not confirm the message; whether it has it nobody knows."""


@dataclass(frozen=True)
class Parcel:
    """A message as the broker takes it."""

    exchange: str
    routing_key: str
    headers: dict[str, Any]
    body: bytes
    type: str | None
    correlation_id: str | None
    timestamp: datetime | None
    mandatory: bool = True


class Publisher:
    """Publishes to the exchanges of one service while its connection stands."""

    def __init__(self, service: str, url: str) -> None:
        self.service = service
        self._user = URL(url).user or "guest"
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._broken = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether something can be published now."""
        return self._channel is not None

    async def serve(self, connection: AbstractConnection) -> None:
        """Publish over this connection until it ends or cannot be trusted any more; raises SessionEndedError."""
        async with asyncio.timeout(CALL_TIMEOUT):
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            await channel.declare_exchange(self.service, aio_pika.ExchangeType.TOPIC, durable=True)
        self._broken.clear()
        self._connection, self._channel = connection, channel
        try:
            async with asyncio.TaskGroup() as ends:
                ends.create_task(until_closed(connection, channel))
                ends.create_task(self._until_broken())
        finally:
            self._connection, self._channel = None, None

    async def depth(self, queue: str) -> float:
        """How many messages rest in a queue; not a number when the broker does not say."""
        try:
            async with asyncio.timeout(CALL_TIMEOUT / 5):
                if self._connection is not None:
                    async with self._connection.channel() as channel:
                        declared = await channel.declare_queue(queue, passive=True)
                        return declared.declaration_result.message_count or 0
        except Exception as error:  # noqa: BLE001  # whoever asks is told that nobody knows
            log.debug("queue not counted", queue=queue, error=describe(error))
        return float("nan")

    async def publish(self, messages: Sequence[Outgoing]) -> list[UUID]:
        """Publish events; gives back the ids of those that the broker has confirmed."""
        results = await asyncio.gather(*(self._try(message) for message in messages))
        return [message.event_id for message, confirmed in zip(messages, results, strict=True) if confirmed]

    async def deliver(self, parcel: Parcel) -> None:
        """Publish one message; raises NotPublishedError unless the broker has confirmed it."""
        channel = self._channel
        if channel is None:
            raise NotPublishedError("not connected to the broker")
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT):
                exchange = await channel.get_exchange(parcel.exchange, ensure=False)
                answer = await exchange.publish(self._message(parcel), parcel.routing_key, mandatory=parcel.mandatory)
        except (TimeoutError, asyncio.CancelledError):
            # Which confirm belongs to which message is uncertain now, so nothing on this channel counts.
            self._broken.set()
            raise
        except Exception as error:
            raise NotPublishedError(describe(error)) from error
        if not isinstance(answer, Basic.Ack):
            raise NotPublishedError(f"the broker answered {answer!r}")

    async def _try(self, message: Outgoing) -> bool:
        try:
            await self.deliver(self._parcel(message))
        except (NotPublishedError, TimeoutError) as error:
            metrics.unpublished.labels(message.routing_key).inc()
            log.warning(
                "event not published, stays in the outbox",
                said=message.routing_key,
                event_id=str(message.event_id),
                attempts=message.attempts,
                error=describe(error),
            )
            return False
        crash_point(Point.AFTER_PUBLISH, [message.routing_key])
        return True

    def _parcel(self, message: Outgoing) -> Parcel:
        return Parcel(
            exchange=self.service,
            routing_key=message.routing_key,
            headers=message.headers,
            body=message.body.encode(),
            type=message.routing_key,
            correlation_id=str(message.saga_id),
            timestamp=message.occurred_at,
            mandatory=message.mandatory,
        )

    def _message(self, parcel: Parcel) -> aio_pika.Message:
        """A message with a new `message_id`: two attempts in flight must not share one."""
        return aio_pika.Message(
            parcel.body,
            headers=parcel.headers,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=str(new_id()),
            correlation_id=parcel.correlation_id,
            type=parcel.type,
            timestamp=parcel.timestamp,
            app_id=self.service,
            user_id=self._user,
        )

    async def _until_broken(self) -> None:
        await self._broken.wait()
        raise SessionEndedError("a publish timed out, so the channel's confirms cannot be trusted")
