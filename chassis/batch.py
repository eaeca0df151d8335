"""Batch: many events of one step in one transaction, with one commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from chassis import inbox
from chassis.crash import Point, crash_point
from chassis.database import Database, is_outage
from chassis.envelope import Envelope
from chassis.rows import Loaded
from chassis.step import Step
from chassis.tracing import consuming
from chassis.transaction import Transaction

log = structlog.get_logger(__name__)

Resources = Mapping[type, Any]


@dataclass(frozen=True)
class Failure:
    """An event whose step raised, so that it has to be tried again later."""

    envelope: Envelope
    error: Exception


class Batch:
    """Runs one step over batches of events."""

    def __init__(self, step: Step, database: Database, resources: Resources) -> None:
        self.step = step
        self._database = database
        self._resources = chosen(resources, step)

    async def run(self, arrived: Sequence[Envelope]) -> list[Failure]:
        """Commit what the step makes of each event; gives back those for which it raised.

        When anything raises, the batch is run again one by one, so that only the culprit fails. A database that
        is out of reach is no failure of an event: the error is raised, and nothing is acknowledged.
        """
        try:
            await self._commit(arrived)
        except Exception as error:
            if is_outage(error):
                raise
            if len(arrived) == 1:
                return [Failure(arrived[0], error)]
            return [failure for envelope in arrived for failure in await self.run([envelope])]
        return []

    async def _commit(self, arrived: Sequence[Envelope]) -> None:
        async def work(transaction: Transaction) -> None:
            crash_point(Point.BEFORE_TRANSACTION, [self.step.queue])
            fresh = await inbox.accept(transaction, self.step.queue, arrived)
            crash_point(Point.AFTER_INBOX, [self.step.queue])
            if fresh:
                await self._step_through(transaction, fresh)

        await self._database.run(work)

    async def _step_through(self, transaction: Transaction, fresh: Sequence[Envelope]) -> None:
        loaded = await Loaded.of(transaction.rows, self.step, fresh)
        clock = {"now": datetime.now(UTC)} if self.step.takes_now else {}
        for envelope in fresh:
            event = envelope.event
            with consuming(self.step.queue, envelope.traceparent):
                outcome = self.step.function(event, **loaded.arguments(event), **clock, **self._resources)
                loaded.add(transaction.apply(outcome, envelope))
            if outcome is None:
                log.info("nothing left to do", step=self.step.queue, heard=event.name, saga_id=str(event.saga_id))


def chosen(resources: Resources, step: Step) -> dict[str, Any]:
    """The resources that a step takes, by parameter name."""
    return {need.name: resources[need.provides] for need in step.resources}
