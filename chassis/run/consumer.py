"""Consumer: takes what has arrived on the queue of one step, and acknowledges what has been committed."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

import structlog
from aio_pika.abc import AbstractChannel as AbstractIOChannel
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage

from chassis.arrivals import Arrivals
from chassis.broker.connection import CALL_TIMEOUT, cancelled_by_nobody, until_closed
from chassis.broker.origin import Origins, headers_of
from chassis.broker.retry import Delivers, attempts_of
from chassis.broker.unreadable import refuse_unreadable
from chassis.choreography import envelope
from chassis.choreography.step import Step
from chassis.errors import (
    ForgedMessageError,
    MalformedMessageError,
    NewerVersionError,
    QueueLostError,
    describe,
)
from chassis.pace import Pace
from chassis.run.batch import BatchRunner
from chassis.run.delivery import Delivery, acknowledge
from chassis.run.judge import Judge
from chassis.run.onward import Declare, Failed, Onward
from chassis.run.skew import SKEW
from chassis.run.suspicion import LIFE, Life, Suspicion
from chassis.run.tally import Tally
from chassis.store.departures import Departures
from chassis.telemetry import metrics

log = structlog.get_logger(__name__)

ALONE_LOCK_MILLISECONDS = 1_000
"""How long a message that is handled alone waits for a lock, while the others of its step wait for it"""
HELD_UP_SECONDS = 10
"""After how long without any progress a step that has work counts as held up"""


class Consumer(ABC):
    """Feeds one step from its queue; how deliveries are handled depends on the kind of step."""

    def __init__(
        self, step: Step, judge: Judge, publisher: Delivers, origins: Origins, prefetch: int, life: Life = LIFE
    ) -> None:
        self.step = step
        self._judge = judge
        self._tally = Tally(step.queue)
        self._suspicion = Suspicion(step.queue, judge, life)
        self._prefetch = prefetch
        self._origins = origins
        self._onward = Onward(step, publisher, origins, self._progresses)
        self._since: float | None = None
        self._arrivals: Arrivals[DeliveredMessage] | None = None
        self._subscription: tuple[AbstractChannel, str] | None = None

    @property
    def consuming(self) -> bool:
        """Whether the queue delivers to this consumer."""
        return self._subscription is not None

    @property
    def backlog(self) -> int:
        """How many deliveries have arrived and are not being worked on."""
        return len(self._arrivals) if self._arrivals is not None else 0

    @property
    def struggling(self) -> int:
        """How many events this step must handle in the end and keeps failing to, as often as there are delays."""
        return self._onward.struggling

    @property
    def trouble(self) -> str | None:
        """Why the step makes no progress although it has work, if so."""
        if self._judge.waits_for is not None:
            return f"waits for the database: {self._judge.waits_for}"
        held_up = _now() - self._since if self._since is not None else 0.0
        return f"no progress for {held_up:.0f} s" if held_up > HELD_UP_SECONDS else None

    async def serve(self, connection: AbstractConnection, declare: Declare) -> None:
        """Consume over this connection until `stop` (then returns) or until it ends (then raises SessionEndedError).

        `declare` has the broker hold what the service needs; it is called when something of it turns out to be missing.
        """
        self._arrivals = arrivals = Arrivals[DeliveredMessage]()
        self._onward.begin(declare)
        channel, underlay = await _channel(connection)
        over = asyncio.ensure_future(until_closed(connection, channel))
        # The broker cancels a consumer when its queue is deleted.
        underlay.on_consumer_cancel_callbacks.add(lambda _: over.cancel())
        working = asyncio.create_task(self._work(arrivals))
        try:
            await self._subscribe(underlay, arrivals)
            await asyncio.wait([working, over], return_when=asyncio.FIRST_COMPLETED)
            await (working if working.done() else self._end_of(over))
        finally:
            self._subscription = self._since = None
            for task in (working, over):
                task.cancel()
            await asyncio.gather(working, over, return_exceptions=True)
            await _close(channel)

    async def stop(self) -> None:
        """Stop consuming; `serve` returns once everything that has arrived is handled."""
        if self._subscription is not None and self._arrivals is not None:
            channel, tag = self._subscription
            async with asyncio.timeout(CALL_TIMEOUT / 5):
                await channel.basic_cancel(tag)
            self._arrivals.end()

    async def _end_of(self, session: "asyncio.Future[None]") -> None:
        """Raise why a session has ended."""
        try:
            await session
        except asyncio.CancelledError as error:
            raise QueueLostError(self.step.queue) from error

    async def _subscribe(self, channel: AbstractChannel, arrivals: Arrivals[DeliveredMessage]) -> None:
        async def arrive(message: DeliveredMessage) -> None:
            arrivals.put(message)

        with cancelled_by_nobody():
            async with asyncio.timeout(CALL_TIMEOUT):
                await channel.basic_qos(prefetch_count=self._prefetch)
                consuming = await channel.basic_consume(self.step.queue, arrive)
                self._subscription = (channel, str(consuming.consumer_tag))

    @abstractmethod
    async def _work(self, arrivals: Arrivals[DeliveredMessage]) -> None:
        """Handle what arrives until its end."""

    def _begins(self) -> None:
        """There is work from now on; the time is taken for `trouble`."""
        self._since = _now()

    def _progresses(self) -> None:
        """Some of the work is done; the time is taken anew."""
        if self._since is not None:
            self._begins()

    def _rests(self) -> None:
        """There is no work now."""
        self._since = None

    def _parse(self, messages: Sequence[DeliveredMessage]) -> tuple[list[Delivery], list[Failed]]:
        """The deliveries that can be understood, and the messages that cannot."""
        understood, malformed = list[Delivery](), list[Failed]()
        for message in messages:
            try:
                refuse_unreadable(headers_of(message))
                self._origins.verify(self.step.hears, message)
                read = envelope.parse(self.step.hears, headers_of(message), message.body)
                SKEW.note(read.event.service, read.occurred_at)
                understood.append(Delivery(read, message))
            except (ForgedMessageError, MalformedMessageError, NewerVersionError) as error:
                malformed.append((message, error))
            except Exception as error:  # noqa: BLE001  # a defect of the reader; its neighbours can be read
                malformed.append((message, MalformedMessageError(describe(error))))
        self._onward.met([delivery.envelope.event_id for delivery in understood])
        return understood, malformed


class BatchConsumer(Consumer):
    """Feeds a step batch by batch, one batch at a time."""

    def __init__(
        self,
        batch: BatchRunner,
        departures: Departures,
        publisher: Delivers,
        origins: Origins,
        max_batch: int,
        life: Life = LIFE,
    ) -> None:
        # While one batch is worked on, the next one arrives.
        super().__init__(batch.step, batch.judge, publisher, origins, 2 * max_batch, life)
        self._batch = batch
        self._departures = departures
        self._max_batch = max_batch

    async def _work(self, arrivals: Arrivals[DeliveredMessage]) -> None:
        pace = Pace(self._max_batch)
        while messages := await arrivals.take(self._max_batch):
            metrics.batch_size.labels(self.step.queue).observe(len(messages))
            self._begins()
            with metrics.batch_seconds.labels(self.step.queue).time(), pace.piece():
                await self._handle(messages)
            self._rests()
            await self._departures.room()
            await pace.rest(len(arrivals))

    async def _handle(self, messages: Sequence[DeliveredMessage]) -> None:
        """Commit a batch, send on what failed, and only then acknowledge it as a whole.

        One acknowledgement covers all deliveries of the channel up to the last. That is sound because this is the only
        reader of its channel, works on one batch at a time, and takes deliveries in their order: nothing below the
        last is still open. When it raises, nothing is acknowledged, and everything comes again.
        """
        understood, failed = self._parse(messages)
        together, alone, deadly = await self._suspicion.sort(understood)
        failed += [*deadly, *await self._commit([one for one in together if not attempts_of(one.message)])]
        for delivery in together:
            # One that has failed before would most likely have the whole batch run again.
            if attempts_of(delivery.message):
                failed += await self._commit([delivery], ALONE_LOCK_MILLISECONDS)
        for delivery in alone:
            async with self._suspicion.alone(delivery):
                failed += await self._commit([delivery], ALONE_LOCK_MILLISECONDS)
                await self._suspicion.cleared([delivery])
        await self._onward.send(failed)
        await self._suspicion.cleared(understood)
        if ours := self._onward.ours(messages):
            await acknowledge(ours[-1], multiple=True)

    async def _commit(self, deliveries: Sequence[Delivery], lock_milliseconds: int | None = None) -> list[Failed]:
        envelopes = [one.envelope for one in deliveries]
        outcomes = await self._batch.run(envelopes, lock_milliseconds)
        self._tally.note(envelopes, outcomes)
        self._begins()
        return [(one.message, error) for one, error in zip(deliveries, outcomes, strict=True) if error is not None]


async def _channel(connection: AbstractConnection) -> tuple[AbstractIOChannel, AbstractChannel]:
    with cancelled_by_nobody():
        async with asyncio.timeout(CALL_TIMEOUT):
            channel = await connection.channel(publisher_confirms=False)
            return channel, await channel.get_underlay_channel()


async def _close(channel: AbstractIOChannel) -> None:
    """Close the channel, so that the broker gives what it had handed out to somebody else."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CALL_TIMEOUT / 5):
            await channel.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
