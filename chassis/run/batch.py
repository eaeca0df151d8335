"""Batch: many events of one step in one transaction, with one commit."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from opentelemetry.trace import Span

from chassis.choreography.envelope import Envelope
from chassis.choreography.step import Step
from chassis.crash import Point, crash_point
from chassis.errors import CulpritsError, MissingRowError
from chassis.run.judge import Judge
from chassis.store.database import Database
from chassis.store.rows import LockedRows
from chassis.store.transaction import Transaction
from chassis.telemetry.tracing import SPANS, finish, within

log = structlog.get_logger(__name__)

Dependencies = Mapping[type, Any]
Attempts = dict[UUID, Span]
"""The span of this attempt at each event; none where nobody collects them"""


class BatchRunner:
    """Runs one step over batches of events."""

    def __init__(self, step: Step, database: Database, dependencies: Dependencies) -> None:
        self.step = step
        self.judge = Judge(step.queue, database)
        self._dependencies = chosen(dependencies, step)

    async def run(self, arrived: Sequence[Envelope], lock_milliseconds: int | None = None) -> list[Exception | None]:
        """Run the step for each event and commit; for each None, or the error that counts against it.

        A database that is out of reach is no error of an event: it is waited for.
        """
        if not arrived:
            return []
        spans = _spans(self.step, arrived) if SPANS.on else {}
        outcomes = await self.judge.outcomes(partial(self._work, spans), arrived, lock_milliseconds)
        if spans:
            for one, outcome in zip(arrived, outcomes, strict=True):
                finish(spans.pop(one.event_id, None), outcome)
        return outcomes

    async def _work(self, spans: Attempts, arrived: Sequence[Envelope], transaction: Transaction) -> list[None]:
        crash_point(Point.BEFORE_TRANSACTION, [self.step.queue])
        fresh = await transaction.accept(self.step.queue, arrived)
        crash_point(Point.AFTER_INBOX, [self.step.queue])
        if fresh:
            missing = await self._step_through(transaction, fresh, spans)
            if missing:
                places = enumerate(one.event_id for one in arrived)
                raise CulpritsError({place: missing[event_id] for place, event_id in places if event_id in missing})
        return [None] * len(arrived)

    async def _step_through(
        self, transaction: Transaction, fresh: Sequence[Envelope], spans: Attempts
    ) -> dict[UUID, MissingRowError]:
        """Run the step for each event whose rows are there; says for the others what is missing."""
        rows = await LockedRows.of(transaction, self.step, fresh)
        clock = {"now": transaction.now()} if self.step.takes_now else {}
        missing = {}
        for envelope in fresh:
            event = envelope.event
            try:
                found = rows.arguments(event)
            except MissingRowError as error:
                missing[envelope.event_id] = error
                continue
            with within(spans.get(envelope.event_id)):
                outcome = self.step.function(event, **found, **clock, **self._dependencies)
                rows.add(transaction.apply(outcome, envelope))
            if outcome is None:
                log.info("nothing left to do", step=self.step.queue, heard=event.name, saga_id=str(event.saga_id))
        return missing


def span_of(step: Step, envelope: Envelope) -> Span | None:
    """The span of an attempt at an event, if somebody collects them."""
    event = envelope.event
    return SPANS.step(step.queue, event.service, event.name, envelope.event_id, event.saga_id, envelope.traceparent)


def _spans(step: Step, arrived: Sequence[Envelope]) -> Attempts:
    """A span for each event. They all last until the commit that they share."""
    made = {one.event_id: one for one in arrived}
    return {event_id: span for event_id, one in made.items() if (span := span_of(step, one)) is not None}


def chosen(dependencies: Dependencies, step: Step) -> dict[str, Any]:
    """The dependencies that a step takes, by parameter name."""
    return {need.name: dependencies[need.provides] for need in step.dependencies}
