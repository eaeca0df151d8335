"""Consumer: takes what has arrived on the queue of one step, and acknowledges what has been committed."""

import asyncio
from collections import deque
from collections.abc import Sequence
from uuid import UUID

import structlog
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage, AbstractQueue
from pamqp.commands import Basic
from tenacity import AsyncRetrying, retry_if_exception, wait_random_exponential

from chassis import envelope, metrics
from chassis.batch import Batch, Failure
from chassis.broker import CALL_TIMEOUT, SessionEndedError, describe, until_closed
from chassis.database import is_outage
from chassis.envelope import Envelope, MalformedMessageError
from chassis.publisher import Publisher
from chassis.retry import LONGEST_DELAY, Retry
from chassis.step import Kind
from chassis.topology import PARKED

log = structlog.get_logger(__name__)

MOST = 200
PREFETCH = 2 * MOST
EFFECTS_AT_ONCE = 50
BATCH_DEADLINE = 300


class Consumer:
    """Feeds one step from its queue, batch by batch, one batch at a time."""

    def __init__(self, batch: Batch, publisher: Publisher) -> None:
        self.step = batch.step
        self._batch = batch
        self._retry = Retry(batch.step, publisher)
        self.struggling: set[UUID] = set()
        """The events that this step must handle in the end and has failed to, as often as there are delays."""
        self._arrivals: Arrivals | None = None
        self._subscription: tuple[AbstractQueue, str] | None = None

    @property
    def consuming(self) -> bool:
        """Whether the queue delivers to this consumer."""
        return self._subscription is not None

    async def serve(self, connection: AbstractConnection) -> None:
        """Consume over this connection until `stop` (then returns) or until it ends (then raises SessionEndedError)."""
        self._arrivals = arrivals = Arrivals()
        async with asyncio.timeout(CALL_TIMEOUT):
            channel = await connection.channel(publisher_confirms=False)
            await channel.set_qos(EFFECTS_AT_ONCE if self.step.kind is Kind.EFFECT else PREFETCH)
            queue = await channel.get_queue(self.step.queue, ensure=False)
            underlay = await channel.get_underlay_channel()
            underlay.on_consumer_cancel_callbacks.add(arrivals.cancelled)
            self._subscription = (queue, await queue.consume(arrivals.put))
        watch = asyncio.create_task(until_closed(connection, channel))
        watch.add_done_callback(lambda task: arrivals.end(None if task.cancelled() else task.exception()))
        try:
            while messages := await arrivals.take(MOST):
                await self._handle(messages)
        finally:
            self._subscription = None
            watch.cancel()

    async def stop(self) -> None:
        """Take no more from the queue; `serve` returns when what has arrived is done."""
        if self._subscription is not None and self._arrivals is not None:
            queue, tag = self._subscription
            async with asyncio.timeout(CALL_TIMEOUT / 5):
                await queue.cancel(tag)
            self._arrivals.end(None)

    async def _handle(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """Commit a batch, send on what failed, and only then acknowledge it as a whole.

        One acknowledgement covers all deliveries up to the last, which is sound because this is the only reader
        of its channel and hands them on in their order. When it raises, nothing is acknowledged.
        """
        metrics.batch_size.labels(self.step.queue).observe(len(messages))
        with metrics.batch_seconds.labels(self.step.queue).time():
            await self._settle(messages)

    async def _settle(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        async with asyncio.timeout(BATCH_DEADLINE):
            understood = await self._parse(messages)
            self.struggling.difference_update(known.event_id for known, _ in understood)
            for failure in await self._run([known for known, _ in understood]):
                await self._again(failure, dict(_by_id(understood)))
        await messages[-1].ack(multiple=True)

    async def _run(self, arrived: Sequence[Envelope]) -> list[Failure]:
        """Run the batch; while the database is out of reach, wait for it rather than blame the messages."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(is_outage),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            reraise=True,
        )
        return await retrying(self._batch.run, arrived) if arrived else []

    async def _parse(
        self, messages: Sequence[AbstractIncomingMessage]
    ) -> list[tuple[Envelope, AbstractIncomingMessage]]:
        understood = []
        for message in messages:
            try:
                understood.append((envelope.parse(self.step.hears, message.headers, message.body), message))
            except MalformedMessageError as error:
                await self._retry.park(message, error)
                metrics.parkings.labels(self.step.queue).inc()
                log.error("message parked", step=self.step.queue, error=describe(error))
        return understood

    async def _again(self, failure: Failure, messages: dict[object, AbstractIncomingMessage]) -> None:
        known = failure.envelope
        destination = await self._retry.again(messages[known.event_id], failure.error)
        self._count(destination, known.event_id)
        report = log.warning if destination != PARKED and known.event_id not in self.struggling else log.error
        report(
            "step failed",
            step=self.step.queue,
            next=destination,
            event_id=str(known.event_id),
            saga_id=str(known.event.saga_id),
            error=describe(failure.error),
        )

    def _count(self, destination: str, event_id: UUID) -> None:
        if destination == PARKED:
            metrics.parkings.labels(self.step.queue).inc()
            return
        metrics.retries.labels(self.step.queue, destination).inc()
        if destination == LONGEST_DELAY and not self.step.can_refuse:
            self.struggling.add(event_id)


def _by_id(
    understood: Sequence[tuple[Envelope, AbstractIncomingMessage]],
) -> Sequence[tuple[object, AbstractIncomingMessage]]:
    return [(known.event_id, message) for known, message in understood]


class Arrivals:
    """The deliveries of one channel, in their order, until the channel or the subscription ends."""

    def __init__(self) -> None:
        self._messages: deque[AbstractIncomingMessage] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._error: BaseException | None = None

    async def put(self, message: AbstractIncomingMessage) -> None:
        """A delivery arrived."""
        self._messages.append(message)
        self._news.set()

    def cancelled(self, frame: Basic.Cancel) -> None:
        """The broker cancelled the consumer, for example because its queue was deleted."""
        self.end(SessionEndedError(f"consumer {frame.consumer_tag} cancelled by the broker"))

    def end(self, error: BaseException | None) -> None:
        """Nothing more arrives: in good order, or because of `error`."""
        self._ended = True
        self._error = self._error or error
        self._news.set()

    async def take(self, most: int) -> list[AbstractIncomingMessage]:
        """What has arrived, at least one delivery; empty when the end has come in good order, else raises."""
        while not self._messages and not self._ended:
            self._news.clear()
            await self._news.wait()
        if self._error is not None:
            raise self._error
        return [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
