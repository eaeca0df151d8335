"""Batch: many events of one step in one transaction, with one commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from chassis.choreography.envelope import Envelope
from chassis.choreography.step import Step
from chassis.crash import Point, crash_point
from chassis.store.database import Database
from chassis.store.failures import is_outage
from chassis.store.rows import LockedRows
from chassis.store.transaction import Transaction
from chassis.telemetry.tracing import consuming
from chassis.together import together

log = structlog.get_logger(__name__)

Dependencies = Mapping[type, Any]


@dataclass(frozen=True)
class Failure:
    """An event whose step raised, and the error."""

    envelope: Envelope
    error: Exception


class BatchRunner:
    """Runs one step over batches of events."""

    def __init__(self, step: Step, database: Database, dependencies: Dependencies) -> None:
        self.step = step
        self._database = database
        self._dependencies = chosen(dependencies, step)

    async def run(self, arrived: Sequence[Envelope]) -> list[Failure]:
        """Run the step for each event and commit; returns the events for which it raised.

        A database that is out of reach is no failure of an event: the error is raised, and nothing is acknowledged.
        """
        outcomes = await together(self._commit, arrived, is_shared=is_outage)
        failures = [Failure(one, error) for one, error in zip(arrived, outcomes, strict=True) if error is not None]
        for failure in failures:
            if is_outage(failure.error):
                raise failure.error
        return failures

    async def _commit(self, arrived: Sequence[Envelope]) -> list[None]:
        async def work(transaction: Transaction) -> None:
            crash_point(Point.BEFORE_TRANSACTION, [self.step.queue])
            fresh = await transaction.accept(self.step.queue, arrived)
            crash_point(Point.AFTER_INBOX, [self.step.queue])
            if fresh:
                await self._step_through(transaction, fresh)

        await self._database.run(work)
        return [None] * len(arrived)

    async def _step_through(self, transaction: Transaction, fresh: Sequence[Envelope]) -> None:
        rows = await LockedRows.of(transaction, self.step, fresh)
        clock = {"now": transaction.now()} if self.step.takes_now else {}
        for envelope in fresh:
            event = envelope.event
            with consuming(self.step.queue, envelope.traceparent):
                outcome = self.step.function(event, **rows.arguments(event), **clock, **self._dependencies)
                rows.add(transaction.apply(outcome, envelope))
            if outcome is None:
                log.info("nothing left to do", step=self.step.queue, heard=event.name, saga_id=str(event.saga_id))


def chosen(dependencies: Dependencies, step: Step) -> dict[str, Any]:
    """The dependencies that a step takes, by parameter name."""
    return {need.name: dependencies[need.provides] for need in step.dependencies}
