"""Batch: many events of one step in one transaction, with one commit."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from chassis import inbox
from chassis.crash import Point, crash_point
from chassis.database import Database, is_outage
from chassis.envelope import Envelope
from chassis.rows import Loaded
from chassis.step import Kind, Step
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
        self._resources = {need.name: resources[need.provides] for need in step.resources}

    async def run(self, arrived: Sequence[Envelope]) -> list[Failure]:
        """Commit what the step makes of each event; gives back those for which it raised.

        When anything raises, the batch is run again one by one, so that only the culprit fails. A database that
        is out of reach is no failure of an event: the error is raised, and nothing is acknowledged.
        """
        if self.step.kind is Kind.EFFECT:
            return await self._run_effects(arrived)
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
        loaded = await Loaded.of(transaction.session, self.step, fresh)
        clock = {"now": datetime.now(UTC)} if self.step.takes_now else {}
        for envelope in fresh:
            event = envelope.event
            with consuming(self.step.queue, envelope.traceparent):
                outcome = self.step.function(event, **loaded.arguments(event), **clock, **self._resources)
                loaded.add(transaction.apply(outcome, envelope))
            if outcome is None:
                log.info("nothing left to do", step=self.step.queue, heard=event.name, saga_id=str(event.saga_id))

    async def _run_effects(self, arrived: Sequence[Envelope]) -> list[Failure]:
        """Do the I/O of all events side by side, then commit what came of it."""
        fresh = await self._unhandled(arrived)
        outcomes = await asyncio.gather(*(self._act(envelope) for envelope in fresh), return_exceptions=True)
        pairs = list(zip(fresh, outcomes, strict=True))
        failed = [Failure(envelope, outcome) for envelope, outcome in pairs if isinstance(outcome, Exception)]
        done = [(envelope, outcome) for envelope, outcome in pairs if not isinstance(outcome, BaseException)]
        return failed + await self._commit_effects(done)

    async def _act(self, envelope: Envelope) -> Any:
        with consuming(self.step.queue, envelope.traceparent):
            return await self.step.function(envelope.event, **self._resources)

    async def _unhandled(self, arrived: Sequence[Envelope]) -> list[Envelope]:
        async def work(transaction: Transaction) -> list[Envelope]:
            return await inbox.unhandled(transaction, self.step.queue, arrived)

        return await self._database.run(work)

    async def _commit_effects(self, done: Sequence[tuple[Envelope, Any]]) -> list[Failure]:
        """Store what came of the I/O in one transaction; when that raises, one by one, as for any other step."""
        if not done:
            return []
        try:
            await self._database.run(partial(self._store_effects, done))
        except Exception as error:
            if is_outage(error):
                raise
            if len(done) == 1:
                return [Failure(done[0][0], error)]
            return [failure for one in done for failure in await self._commit_effects([one])]
        return []

    async def _store_effects(self, done: Sequence[tuple[Envelope, Any]], transaction: Transaction) -> None:
        crash_point(Point.BEFORE_TRANSACTION, [self.step.queue])
        fresh = await inbox.accept(transaction, self.step.queue, [envelope for envelope, _ in done])
        crash_point(Point.AFTER_INBOX, [self.step.queue])
        outcomes = {envelope.event_id: outcome for envelope, outcome in done}
        for envelope in fresh:
            await transaction.replace(outcomes[envelope.event_id], envelope)
