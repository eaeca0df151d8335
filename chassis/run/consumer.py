"""Consumer: takes what has arrived on the queue of one step, and acknowledges what has been committed."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar
from uuid import UUID

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from tenacity import AsyncRetrying, retry_if_exception, wait_random_exponential

from chassis.arrivals import Arrivals
from chassis.broker.connection import CALL_TIMEOUT, cancelled_by_nobody, until_closed
from chassis.broker.retry import LONGEST_DELAY, Delivers, Retry, headers_of
from chassis.choreography import envelope
from chassis.choreography.envelope import Envelope
from chassis.choreography.step import Step
from chassis.choreography.topology import PARKED
from chassis.errors import MalformedMessageError, SessionEndedError, describe
from chassis.run.batch import BatchRunner
from chassis.store.departures import Departures
from chassis.store.failures import is_outage
from chassis.telemetry import metrics

log = structlog.get_logger(__name__)

BATCH_DEADLINE = 300

Given = TypeVar("Given")
Result = TypeVar("Result")


class Delivery(NamedTuple):
    """A message that was parsed, and the delivery to acknowledge."""

    envelope: Envelope
    message: DeliveredMessage


class Consumer(ABC):
    """Feeds one step from its queue; how deliveries are handled depends on the kind of step."""

    def __init__(self, step: Step, publisher: Delivers, prefetch: int) -> None:
        self.step = step
        self.struggling: set[UUID] = set()
        """The events that this step must handle in the end and has failed to, as often as there are delays."""
        self._prefetch = prefetch
        self._retry = Retry(step, publisher)
        self._arrivals: Arrivals[DeliveredMessage] | None = None
        self._subscription: tuple[AbstractChannel, str] | None = None

    @property
    def consuming(self) -> bool:
        """Whether the queue delivers to this consumer."""
        return self._subscription is not None

    async def serve(self, connection: AbstractConnection) -> None:
        """Consume over this connection until `stop` (then returns) or until it ends (then raises SessionEndedError)."""
        self._arrivals = arrivals = Arrivals[DeliveredMessage]()

        async def arrive(message: DeliveredMessage) -> None:
            arrivals.put(message)

        def cancelled(frame: Basic.Cancel) -> None:
            """The broker cancelled the consumer, for example because its queue was deleted."""
            arrivals.end(SessionEndedError(f"consumer {frame.consumer_tag} cancelled by the broker"))

        with cancelled_by_nobody():
            async with asyncio.timeout(CALL_TIMEOUT):
                channel = await connection.channel(publisher_confirms=False)
                underlay = await channel.get_underlay_channel()
                underlay.on_consumer_cancel_callbacks.add(cancelled)
                await underlay.basic_qos(prefetch_count=self._prefetch)
                consuming = await underlay.basic_consume(self.step.queue, arrive)
                self._subscription = (underlay, str(consuming.consumer_tag))
        watch = asyncio.create_task(until_closed(connection, channel))
        watch.add_done_callback(lambda task: arrivals.end(None if task.cancelled() else task.exception()))
        try:
            await self._work(arrivals)
        finally:
            self._subscription = None
            watch.cancel()

    async def stop(self) -> None:
        """Stop consuming; `serve` returns once everything that has arrived is handled."""
        if self._subscription is not None and self._arrivals is not None:
            channel, tag = self._subscription
            async with asyncio.timeout(CALL_TIMEOUT / 5):
                await channel.basic_cancel(tag)
            self._arrivals.end()

    @abstractmethod
    async def _work(self, arrivals: Arrivals[DeliveredMessage]) -> None:
        """Handle what arrives until its end."""

    async def _parse(self, messages: Sequence[DeliveredMessage]) -> list[Delivery]:
        """The deliveries that can be parsed; the others are parked here and only need an acknowledgement."""
        understood = []
        for message in messages:
            try:
                understood.append(Delivery(envelope.parse(self.step.hears, headers_of(message), message.body), message))
            except MalformedMessageError as error:
                await self._retry.again(message, error)
                metrics.parkings.labels(self.step.queue).inc()
                log.error("message parked", step=self.step.queue, error=describe(error))
        self.struggling.difference_update(delivery.envelope.event_id for delivery in understood)
        return understood

    async def _again(self, delivery: Delivery, error: Exception) -> None:
        """Send a delivery to its next attempt, or park it, and report that."""
        known = delivery.envelope
        destination = await self._retry.again(delivery.message, error)
        self._count(destination, known.event_id)
        report = log.warning if destination != PARKED and known.event_id not in self.struggling else log.error
        report(
            "step failed",
            step=self.step.queue,
            next=destination,
            event_id=str(known.event_id),
            saga_id=str(known.event.saga_id),
            error=describe(error),
        )

    def _count(self, destination: str, event_id: UUID) -> None:
        if destination == PARKED:
            metrics.parkings.labels(self.step.queue).inc()
            return
        metrics.retries.labels(self.step.queue, destination).inc()
        if destination == LONGEST_DELAY and not self.step.can_refuse:
            self.struggling.add(event_id)


class BatchConsumer(Consumer):
    """Feeds a step batch by batch, one batch at a time."""

    def __init__(self, batch: BatchRunner, departures: Departures, publisher: Delivers, max_batch: int) -> None:
        # While one batch is worked on, the next one arrives.
        super().__init__(batch.step, publisher, prefetch=2 * max_batch)
        self._batch = batch
        self._departures = departures
        self._max_batch = max_batch

    async def _work(self, arrivals: Arrivals[DeliveredMessage]) -> None:
        while messages := await arrivals.take(self._max_batch):
            metrics.batch_size.labels(self.step.queue).observe(len(messages))
            with metrics.batch_seconds.labels(self.step.queue).time():
                await self._handle(messages)
            await self._departures.room()

    async def _handle(self, messages: Sequence[DeliveredMessage]) -> None:
        """Commit a batch, send on what failed, and only then acknowledge it as a whole.

        One acknowledgement covers all deliveries of the channel up to the last. That is sound because this is the only
        reader of its channel, works on one batch at a time, and takes deliveries in their order: nothing below the
        last is still open. When it raises, nothing is acknowledged, and everything comes again.
        """
        async with asyncio.timeout(BATCH_DEADLINE):
            understood = await self._parse(messages)
            if understood:
                by_id = {delivery.envelope.event_id: delivery for delivery in understood}
                envelopes = [delivery.envelope for delivery in understood]
                for failure in await through_outages(self._batch.run, envelopes):
                    await self._again(by_id[failure.envelope.event_id], failure.error)
        await acknowledge(messages[-1], multiple=True)


async def acknowledge(message: DeliveredMessage, *, multiple: bool = False) -> None:
    """Acknowledge a delivery, or all up to it."""
    with cancelled_by_nobody():
        async with asyncio.timeout(CALL_TIMEOUT):
            await message.channel.basic_ack(message.delivery_tag or 0, multiple=multiple)


async def through_outages(work: Callable[[Given], Awaitable[Result]], given: Given) -> Result:
    """The result of `work`; waits while the database is out of reach, because that is no fault of the messages."""
    retrying = AsyncRetrying(
        retry=retry_if_exception(is_outage),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        reraise=True,
    )
    return await retrying(work, given)
