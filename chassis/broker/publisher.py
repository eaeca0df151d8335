"""Publisher: the only way to the broker, with confirms, on a connection of its own."""

import asyncio
import struct
from collections import Counter
from collections.abc import Sequence
from typing import cast
from uuid import UUID

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection
from aiormq import Channel, Connection
from aiormq.exceptions import PublishError
from opentelemetry.trace import Span
from pamqp.commands import Basic
from yarl import URL

from chassis.addresses import first_of
from chassis.broker import burst
from chassis.broker.burst import Confirm, Parcel
from chassis.broker.connection import CALL_TIMEOUT, until_closed
from chassis.broker.pulse import Pulse
from chassis.crash import Point, crash_point
from chassis.errors import NotPublishedError, SessionEndedError, describe
from chassis.ids import new_id
from chassis.store.outbox import Outgoing
from chassis.telemetry import metrics
from chassis.telemetry.tracing import SPANS, TRACEPARENT, finish, traceparent_of
from chassis.together import together

log = structlog.get_logger(__name__)

UNWRITABLE = (TypeError, ValueError, OverflowError, struct.error)
"""What the encoding raises for a message that no frame can hold"""
PUBLISH_TIMEOUT = 5
ALARM_INTERVAL = 0.25


class Publisher:
    """Publishes to the exchanges of one service while its connection stands."""

    def __init__(self, service: str, url: str) -> None:
        self.service = service
        self.user = URL(first_of(url)).user or "guest"
        """Whom the broker knows it as"""
        self._connection: AbstractConnection | None = None
        self._channel: Channel | None = None
        self._broken = asyncio.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._pulse = Pulse(service)

    @property
    def connected(self) -> bool:
        """Whether something can be published now."""
        return self._channel is not None and self._flowing.is_set()

    @property
    def trouble(self) -> str | None:
        """Why the broker takes nothing although a connection stands, if so."""
        if not self._flowing.is_set():
            return "blocked by the broker: it has raised an alarm, of memory or disk"
        return None if self._channel is None else self._pulse.trouble

    async def serve(self, connection: AbstractConnection) -> None:
        """Publish over this connection until it ends or cannot be trusted any more; raises SessionEndedError.

        While the broker has blocked it, because of an alarm, nothing is published and nothing times out.
        """
        async with asyncio.timeout(CALL_TIMEOUT):
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            await channel.declare_exchange(self.service, aio_pika.ExchangeType.TOPIC, durable=True)
            underlay = await channel.get_underlay_channel()
            assert isinstance(underlay, Channel)  # noqa: S101  # what `burst` works on
        self._broken.clear()
        self._connection, self._channel = connection, underlay
        try:
            async with asyncio.TaskGroup() as ends:
                ends.create_task(until_closed(connection, channel))
                ends.create_task(self._until_broken())
                ends.create_task(self._mind_alarms(underlay))
                ends.create_task(self._pulse.beat(self.deliver))
        finally:
            self._connection, self._channel = None, None
            self._flowing.set()

    async def depth(self, queue: str) -> float:
        """How many messages a queue holds; NaN when the broker cannot be asked."""
        return (await self.depths([queue]))[queue]

    async def depths(self, queues: Sequence[str]) -> dict[str, float]:
        """The same for several queues, over one channel; NaN also for those that come after a missing one."""
        found = dict.fromkeys(queues, float("nan"))
        try:
            async with asyncio.timeout(CALL_TIMEOUT / 5):
                if self._connection is not None:
                    async with self._connection.channel() as channel:
                        for queue in queues:
                            declared = await channel.declare_queue(queue, passive=True)
                            found[queue] = declared.declaration_result.message_count or 0
        except Exception as error:  # noqa: BLE001  # whoever asks is told that nobody knows
            log.debug("queues not counted", queues=queues, error=describe(error))
        return found

    async def publish(self, messages: Sequence[Outgoing]) -> list[UUID]:
        """Publish events together; returns the ids of those that the broker has confirmed in time."""
        confirmed: list[UUID] = []
        reasons: Counter[tuple[str, str]] = Counter()
        spans = [self._span(message) for message in messages] if SPANS.on else [None] * len(messages)
        parcels = [self._parcel(message, span) for message, span in zip(messages, spans, strict=True)]
        answers = await self._put(parcels)
        for message, answer, span in zip(messages, answers, spans, strict=True):
            finish(span, answer)
            if answer is None:
                crash_point(Point.AFTER_PUBLISH, [message.routing_key])
                confirmed.append(message.event_id)
            else:
                reasons[message.routing_key, describe(answer)] += 1
        for (event, reason), count in reasons.items():
            metrics.unpublished.labels(event).inc(count)
            log.warning("events not published, they stay in the outbox", said=event, count=count, error=reason)
        return confirmed

    async def deliver(self, parcel: Parcel) -> None:
        """Publish one message; raises NotPublishedError unless the broker has confirmed it in time.

        Raises what the encoding says of one that can never be written.
        """
        (answer,) = await self._put([parcel])
        if isinstance(answer, UNWRITABLE):
            raise answer
        if answer is not None:
            raise NotPublishedError(describe(answer), returned=isinstance(answer, PublishError)) from answer

    async def _put(self, parcels: Sequence[Parcel]) -> list[BaseException | None]:
        """For each message None if it was confirmed in time, else the reason why not.

        One that cannot be written does not keep back the others.
        """
        return list(await together(self._put_together, parcels, is_shared=lambda _: False))

    async def _put_together(self, parcels: Sequence[Parcel]) -> list[BaseException | None]:
        await self._flowing.wait()
        channel = self._channel
        if channel is None:
            return [NotPublishedError("not connected to the broker")] * len(parcels)
        confirms: list[Confirm] = []
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT):
                confirms = await burst.write(channel, [(parcel, self._properties(parcel)) for parcel in parcels])
            await self._answers(confirms)
        except TimeoutError:
            self._give_up(channel)
        except asyncio.CancelledError:
            if not confirms:
                self._give_up(channel)
            raise
        objections = [_objection(confirm) for confirm in confirms] or [TimeoutError()] * len(parcels)
        self._pulse.note(parcels, objections)
        return objections

    async def _answers(self, confirms: Sequence[Confirm]) -> None:
        """Wait for the confirms; raises TimeoutError when one does not come in time, which an alarm stops."""
        while (await asyncio.wait(confirms, timeout=PUBLISH_TIMEOUT))[1]:
            if self._flowing.is_set():
                raise TimeoutError
            await self._flowing.wait()

    async def _mind_alarms(self, channel: Channel) -> None:
        """Keep `_flowing` as the broker has it."""
        connection = cast("Connection", channel.connection)
        while True:
            if await _is_blocked(connection):
                if self._flowing.is_set():
                    log.error("the broker has raised an alarm and takes nothing", service=self.service)
                self._flowing.clear()
            else:
                self._flowing.set()
            await asyncio.sleep(ALARM_INTERVAL)

    def _give_up(self, channel: Channel) -> None:
        """End the session: what was written to this channel, and what a late confirm would mean, is uncertain."""
        if self._channel is channel:
            self._broken.set()

    def _parcel(self, message: Outgoing, span: Span | None = None) -> Parcel:
        """The message as the broker takes it; whoever hears it follows its publish, where that is a span."""
        follows = {} if span is None else {TRACEPARENT: traceparent_of(span)}
        return Parcel(
            exchange=self.service,
            routing_key=message.routing_key,
            headers=message.headers | follows if follows else message.headers,
            body=message.body.encode(),
            type=message.routing_key,
            correlation_id=str(message.saga_id),
            timestamp=message.occurred_at,
            mandatory=message.mandatory,
        )

    def _span(self, message: Outgoing) -> Span | None:
        """The span of an attempt to publish a message; the outbox holds that of the step that said it."""
        parent = str(message.headers.get(TRACEPARENT, ""))
        return SPANS.publish(self.service, message.routing_key, message.event_id, message.saga_id, parent)

    def _properties(self, parcel: Parcel) -> Basic.Properties:
        """The properties, with a new `message_id`: two attempts in flight must not share one."""
        return Basic.Properties(
            headers=parcel.headers,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=str(new_id()),
            correlation_id=parcel.correlation_id,
            message_type=parcel.type,
            timestamp=parcel.timestamp,
            app_id=self.service,
            user_id=self.user,
        )

    async def _until_broken(self) -> None:
        await self._broken.wait()
        raise SessionEndedError("a publish timed out, so the channel's confirms cannot be trusted")


def _objection(confirm: Confirm) -> BaseException | None:
    """None if the message was confirmed, else the reason why not."""
    if not confirm.done():
        return TimeoutError()
    if confirm.cancelled():
        return NotPublishedError("the confirm was given up")
    if error := confirm.exception():
        return error
    answer = confirm.result()
    return None if isinstance(answer, Basic.Ack) else NotPublishedError(f"the broker answered {answer!r}")


async def _is_blocked(connection: Connection) -> bool:
    """Whether the broker has asked this connection to publish nothing; aiormq lets one wait for the contrary only."""
    try:
        async with asyncio.timeout(0):
            await connection.ready()
    except TimeoutError:
        return True
    return False
