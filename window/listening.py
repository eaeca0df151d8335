"""Listening: takes what arrives on the window's queue, and acknowledges what is stored."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from chassis.arrivals import Arrivals
from chassis.broker.connection import CALL_TIMEOUT, answered, supervise, until_closed
from chassis.broker.origin import headers_of
from chassis.errors import SessionEndedError
from chassis.run.delivery import acknowledge
from window import numbers
from window.message import Place
from window.reading import UNKNOWN, Arrived, Seen, seen
from window.settings import QUEUE
from window.storing import Storing

log = structlog.get_logger(__name__)

PREFETCH = 2_000
MAX_BATCH = 500


class Listening:
    """Keeps the window's queue empty, as long as the broker and the database are there."""

    def __init__(self, url: Callable[[], str], storing: Storing, stored: Callable[[], None] = lambda: None) -> None:
        self._url = url
        self._storing = storing
        self._stored = stored
        self.trouble: str | None = "not connected yet"
        """Why nothing is heard, if so"""
        self.newest: datetime | None = None
        """When the last message was stored"""

    async def run(self) -> None:
        """Listen for good: whenever a session ends, begin another one."""
        await supervise(self._url, "window", self._serve, self._report)

    def _report(self, reason: str) -> None:
        self.trouble = reason
        numbers.listening.set(0)

    async def _serve(self, connection: AbstractConnection) -> None:
        arrivals = Arrivals[DeliveredMessage]()
        async with asyncio.timeout(CALL_TIMEOUT):
            channel = await connection.channel(publisher_confirms=False)
            underlay = await channel.get_underlay_channel()
        # The broker cancels a consumer when its queue is deleted.
        underlay.on_consumer_cancel_callbacks.add(lambda _: arrivals.end(SessionEndedError(f"{QUEUE} is gone")))
        over = asyncio.create_task(until_closed(connection, channel))
        over.add_done_callback(lambda _: arrivals.end(SessionEndedError("connection closed")))
        try:
            await _subscribe(underlay, arrivals)
            self.trouble = None
            numbers.listening.set(1)
            while True:
                await self._handle(await arrivals.take(MAX_BATCH))
        finally:
            over.cancel()
            await asyncio.gather(over, return_exceptions=True)

    async def _handle(self, deliveries: Sequence[DeliveredMessage]) -> None:
        """Store a batch, and only then acknowledge it as a whole: this is the only reader of its channel."""
        now = datetime.now(UTC)
        batch = [seen(_arrived(one), now) for one in deliveries]
        await self._storing.store(batch)
        await acknowledge(deliveries[-1], multiple=True)
        self.newest = now
        _count(batch)
        self._stored()


async def _subscribe(channel: AbstractChannel, arrivals: Arrivals[DeliveredMessage]) -> None:
    async def arrive(message: DeliveredMessage) -> None:
        arrivals.put(message)

    await answered(channel.basic_qos(prefetch_count=PREFETCH))
    await answered(channel.basic_consume(QUEUE, arrive))


def _arrived(message: DeliveredMessage) -> Arrived:
    delivery, properties = message.delivery, message.header.properties
    way = (delivery.exchange, delivery.routing_key) if isinstance(delivery, Basic.Deliver) else (None, None)
    return Arrived(
        exchange=way[0] or "",
        routing_key=way[1] or "",
        headers=headers_of(message),
        body=message.body,
        message_id=properties.message_id or "",
        user=properties.user_id or "",
    )


def _count(batch: Sequence[Seen]) -> None:
    for one in batch:
        message = one.message
        numbers.stored.labels(message.place.value).inc()
        if message.event == UNKNOWN:
            numbers.unreadable.inc()
        elif message.place is Place.SAID:
            numbers.lag.observe(max(0.0, (message.seen_at - message.occurred_at).total_seconds()))
