"""Effect: a step that does I/O, many at once and independently; outcomes are committed in batches."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from aiormq.abc import DeliveredMessage
from opentelemetry.trace import Span

from chassis.arrivals import Arrivals
from chassis.broker.origin import Origins
from chassis.broker.retry import Delivers
from chassis.choreography.envelope import Envelope
from chassis.choreography.step import Step
from chassis.crash import Point, crash_point
from chassis.errors import NotYetError
from chassis.pace import Pace
from chassis.run.batch import Dependencies, chosen, span_of
from chassis.run.consumer import Consumer
from chassis.run.delivery import Delivery, acknowledge, number_of
from chassis.run.judge import Judge
from chassis.store.database import Database
from chassis.store.rows import LockedRows
from chassis.store.transaction import Transaction
from chassis.telemetry import metrics
from chassis.telemetry.tracing import SPANS, finish, within

AT_ONCE = 250
"""Under a full load each waits for its turns on the loop for most of its time; a few could not keep up"""
DEADLINE = 300
"""Seconds that one effect may take"""
NOT_YET = "what comes before it has not been told yet"


@dataclass(frozen=True)
class Done:
    """An event whose I/O is done, and its outcome."""

    delivery: Delivery
    outcome: Any
    span: Span | None = None
    """That of the step, which ends when the outcome is stored"""


class Asked(NamedTuple):
    """The events of a batch that still need their I/O: now, or when their turn has come."""

    fresh: list[Delivery]
    waiting: list[Delivery]


class EffectConsumer(Consumer):
    """Feeds an effect. A slow or failing one holds up no other; each is acknowledged once its outcome is stored."""

    def __init__(
        self,
        step: Step,
        database: Database,
        dependencies: Dependencies,
        publisher: Delivers,
        origins: Origins,
        max_batch: int,
    ) -> None:
        super().__init__(step, Judge(step.queue, database), publisher, origins, prefetch=AT_ONCE)
        self._dependencies = chosen(dependencies, step)
        self._max_batch = max_batch
        self._settling = asyncio.Lock()
        self._open: set[int] = set()
        """The numbers of the deliveries that are not acknowledged"""

    @property
    def backlog(self) -> int:
        """Nothing that the door should wait for: an effect waits for somebody outside, who must not stop the sale."""
        return 0

    async def _work(self, arrivals: Arrivals[DeliveredMessage]) -> None:
        results = Arrivals[Done]()
        self._open.clear()
        async with asyncio.TaskGroup() as storing:
            storing.create_task(self._store(results))
            async with asyncio.TaskGroup() as acting:
                pace = Pace(AT_ONCE)
                while messages := await arrivals.take(AT_ONCE):
                    self._open.update(map(number_of, messages))
                    with pace.piece():
                        together, alone = await self._unhandled(messages)
                    for delivery in together:
                        acting.create_task(self._act(delivery, results))
                    for delivery in alone:
                        async with self._suspicion.alone(delivery):
                            await self._act(delivery, results)
                    await pace.rest(len(arrivals))
            results.end()

    async def _unhandled(self, messages: Sequence[DeliveredMessage]) -> tuple[list[Delivery], list[Delivery]]:
        """The deliveries that still need their I/O, with each other and one by one; the others are settled here."""
        understood, failed = self._parse(messages)
        fresh, waiting = await self._asked(understood)
        together, alone, deadly = await self._suspicion.sort(fresh)
        await self._onward.send([*failed, *deadly, *((one.message, NotYetError(NOT_YET)) for one in waiting)])
        wanted = {id(delivery.message) for delivery in (*together, *alone)}
        await self._suspicion.cleared([one for one in understood if id(one.message) not in wanted])
        await self._settle([message for message in messages if id(message) not in wanted])
        return together, alone

    async def _asked(self, understood: Sequence[Delivery]) -> Asked:
        if not understood:
            return Asked([], [])
        return await self._judge.surely(partial(self._ask, understood))

    async def _ask(self, understood: Sequence[Delivery], transaction: Transaction) -> Asked:
        by_id = {delivery.envelope.event_id: delivery for delivery in understood}
        envelopes = [delivery.envelope for delivery in by_id.values()]
        asked = Asked([], [])
        unhandled = await transaction.unhandled(self.step.queue, envelopes)
        for envelope, is_next in zip(unhandled, await self._turns(unhandled, transaction), strict=True):
            (asked.fresh if is_next else asked.waiting).append(by_id[envelope.event_id])
        return asked

    async def _turns(self, envelopes: Sequence[Envelope], transaction: Transaction) -> list[bool]:
        """Whether each event may be acted on now."""
        turn = self.step.turn
        if turn is None or not envelopes:
            return [True] * len(envelopes)
        rows = await LockedRows.of(transaction, turn, envelopes)
        return [turn.function(one.event, **rows.arguments(one.event)) for one in envelopes]

    async def _act(self, delivery: Delivery, results: Arrivals[Done]) -> None:
        span = span_of(self.step, delivery.envelope)
        try:
            outcome = await self._call(delivery.envelope, span)
        except Exception as error:  # noqa: BLE001  # whatever it was, the event is tried again
            finish(span, error)
            self._tally.failed()
            await self._onward.send([(delivery.message, error)])
            await self._suspicion.cleared([delivery])
            await self._settle([delivery.message])
        else:
            results.put(Done(delivery, outcome, span))

    async def _call(self, envelope: Envelope, span: Span | None) -> Any:
        """What the effect makes of the event; its I/O is a span of its own."""
        call, failed = SPANS.call(self.step.queue, span), None
        try:
            with within(call), metrics.effect_seconds.labels(self.step.queue).time():
                async with asyncio.timeout(DEADLINE):
                    return await self.step.function(envelope.event, **self._dependencies)
        except Exception as error:
            failed = error
            raise
        finally:
            finish(call, failed)

    async def _store(self, results: Arrivals[Done]) -> None:
        pace = Pace(self._max_batch)
        while done := await results.take(self._max_batch):
            metrics.batch_size.labels(self.step.queue).observe(len(done))
            self._begins()
            with metrics.batch_seconds.labels(self.step.queue).time(), pace.piece():
                await self._commit(done)
                await self._suspicion.cleared([one.delivery for one in done])
                await self._settle([one.delivery.message for one in done])
            self._rests()
            await pace.rest(len(results))

    async def _settle(self, messages: Sequence[DeliveredMessage]) -> None:
        """Acknowledge what is done: all that come before the first open one together, the others one by one."""
        # An acknowledgement with `multiple` covers every delivery of the channel up to its number, so one that is
        # still open must never lie below it: the broker would forget an event whose effect is not stored. Effects end
        # in any order. So those below the lowest open number go together, and each of the others by itself.
        # The lock keeps the numbers and what is sent to the broker in the same order.
        async with self._settling:
            self._open.difference_update(map(number_of, messages))
            first = min(self._open, default=math.inf)
            ours = self._onward.ours(messages)
            together = [message for message in ours if number_of(message) < first]
            if together:
                await acknowledge(max(together, key=number_of), multiple=True)
            for message in ours:
                if number_of(message) > first:
                    await acknowledge(message)

    async def _commit(self, done: Sequence[Done]) -> None:
        """Store what came of the I/O in one transaction, and send on what cannot be stored."""
        outcomes = await self._judge.outcomes(self._write, done)
        for one, error in zip(done, outcomes, strict=True):
            finish(one.span, error)
        self._tally.note([one.delivery.envelope for one in done], outcomes)
        failed = [(one.delivery.message, error) for one, error in zip(done, outcomes, strict=True) if error is not None]
        await self._onward.send(failed)

    async def _write(self, done: Sequence[Done], transaction: Transaction) -> list[None]:
        crash_point(Point.BEFORE_TRANSACTION, [self.step.queue])
        fresh = await transaction.accept(self.step.queue, [one.delivery.envelope for one in done])
        crash_point(Point.AFTER_INBOX, [self.step.queue])
        by_id = {one.delivery.envelope.event_id: one for one in done}
        for envelope in fresh:
            with within(by_id[envelope.event_id].span):
                transaction.reapply(by_id[envelope.event_id].outcome, envelope)
        return [None] * len(done)
