"""One service, made of the real frame over a database and a broker in memory.

A node lives as long as one thing that happens to it. What it keeps in memory is gone then, as after a crash, and only
its database stays; so a crash is an exception that nothing in the frame catches.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from chassis.broker.relay import AT_ONCE, Relay
from chassis.broker.retry import Retry
from chassis.choreography.declaration import Service
from chassis.choreography.envelope import Envelope
from chassis.choreography.step import Kind, Step
from chassis.crash import Point
from chassis.run.batch import BatchRunner
from chassis.run.delivery import Delivery
from chassis.run.effect import Done, EffectConsumer
from chassis.store.database import Work
from chassis.store.departures import Departures
from chassis.store.outbox import LEASE, Outgoing
from contracts.event import Event
from tests.memory.broker import MemoryBroker, MemoryPublisher
from tests.memory.constraints import Table
from tests.memory.drive import drive
from tests.memory.store import Committed, MemoryDatabase, MemorySession, MemorySource
from tests.simulation.scenario import Safeguard, Trouble

Result = TypeVar("Result")
POINTS = {
    Trouble.CRASH_BEFORE_COMMIT: Point.BEFORE_COMMIT,
    Trouble.CRASH_BEFORE_PUBLISH: Point.AFTER_COMMIT,
    Trouble.CRASH_BEFORE_FORGET: Point.AFTER_CONFIRM,
}


class CrashedError(BaseException):
    """The process is gone."""


class TransientError(Exception):
    """What a step raises that would work the next time."""


class Failure(NamedTuple):
    """An event, and the error that counts against it."""

    envelope: Envelope
    error: Exception


class Node:
    """A service at one moment."""

    def __init__(
        self,
        service: Service,
        committed: Committed,
        now: datetime,
        broker: MemoryBroker,
        dependencies: Mapping[type, Any],
        without: frozenset[Safeguard] = frozenset(),
        *,
        is_heard: bool = True,
    ) -> None:
        self.source = UnguardedSource(committed, without) if without else MemorySource(committed)
        self.source.now = lambda: now
        self.said: list[Outgoing] = []
        """What was said and committed"""
        self._now = now
        self._dependencies = dependencies
        self._departures = Departures()
        self._database = MemoryDatabase(self.source, self._departures, self.source.identity)
        self._database.subscribe(self.said.extend)
        self._publisher = MemoryPublisher(broker, service.name, is_heard=is_heard)
        self._relay = Relay(self._publisher, self._departures, self._database)

    def run(self, work: Work[Result]) -> Result:
        """What a request or a job does, in a transaction."""
        result = drive(self._database.run(work))
        self._publish()
        return result

    def handle(self, step: Step, deliveries: Sequence[Delivery]) -> list[Failure]:
        """What the consumer of a step does with deliveries, up to their acknowledgement; returns what failed."""
        failures = self._act(step, deliveries) if step.kind is Kind.EFFECT else self._batch(step, deliveries)
        self._publish()
        by_id = {one.envelope.event_id: one.message for one in deliveries}
        for failure in failures:
            drive(Retry(step, self._publisher).again(by_id[failure.envelope.event_id], failure.error))
        return failures

    def sweep(self) -> None:
        """Publish what a crash has left in the outbox, once its lease has run out."""
        self.source.now = lambda: self._now + 2 * LEASE
        drive(self._relay.sweep_once())
        self._publish()

    def _batch(self, step: Step, deliveries: Sequence[Delivery]) -> list[Failure]:
        runner = BatchRunner(step, self._database, self._dependencies)
        arrived = [one.envelope for one in deliveries]
        outcomes = zip(arrived, drive(runner.run(arrived)), strict=True)
        return [Failure(one, error) for one, error in outcomes if error is not None]

    def _act(self, step: Step, deliveries: Sequence[Delivery]) -> list[Failure]:
        """An effect: the same questions and the same writing, without the concurrency of the real consumer."""
        consumer = EffectConsumer(step, self._database, self._dependencies, self._publisher, len(deliveries))
        fresh = drive(self._database.run(partial(consumer._ask, deliveries)))
        done, failures = [], []
        for one in fresh:
            try:
                done.append(Done(one, drive(step.function(one.envelope.event, **consumer._dependencies))))
            except Exception as error:  # noqa: BLE001  # whatever it was, it is tried again
                failures.append(Failure(one.envelope, error))
        if done:
            drive(self._database.run(partial(consumer._write, done)))
        return failures

    def _publish(self) -> None:
        """What the pumps of the relay do, until nothing is left, and then its forgetting."""
        self._departures.end()
        while messages := drive(self._departures.take(AT_ONCE)):
            drive(self._relay.publish(messages))
        drive(self._relay.forget_once())


class UnguardedSource(MemorySource):
    """A database that lacks some safeguards."""

    def __init__(self, committed: Committed, without: frozenset[Safeguard]) -> None:
        super().__init__(committed)
        self.without = without
        self.is_unique = Safeguard.UNIQUE_CONSTRAINTS not in without

    def open(self) -> MemorySession:
        """A session that lacks them too."""
        return UnguardedSession(self)


class UnguardedSession(MemorySession):
    """A transaction without inbox, without outbox, or whose rows are committed by themselves."""

    def __init__(self, source: UnguardedSource) -> None:
        super().__init__(source)
        self._without = source.without

    async def accept(self, step: str, arrived: Sequence[Envelope]) -> set[UUID]:
        """Remembers nothing, if the inbox is switched off."""
        fresh = await super().accept(step, arrived)
        return {one.event_id for one in arrived} if Safeguard.INBOX in self._without else fresh

    async def put(self, messages: Sequence[Outgoing], confirmed: Iterable[UUID]) -> None:
        """Keeps nothing, if the outbox is switched off."""
        await super().put([] if Safeguard.OUTBOX in self._without else messages, list(confirmed))

    def _put_table(self, model: type[Any], table: Table) -> None:
        super()._put_table(model, table)
        if Safeguard.ATOMIC_COMMIT in self._without:
            committed = self._source.committed
            self._source.committed = replace(committed, tables={**committed.tables, model: table})


def crash_at(trouble: Trouble | None) -> Callable[[Point, Iterable[str]], None]:
    """What happens at the crash points of the frame: nothing, unless this trouble is a crash there."""
    wanted = POINTS.get(trouble) if trouble else None

    def pass_point(point: Point, _: Iterable[str]) -> None:
        if point is wanted:
            raise CrashedError(point)

    return pass_point


def raising(step: Step, culprit: Event) -> Step:
    """The step, failing for one event."""

    def fail_or_run(event: Event, **others: Any) -> Any:
        if event is culprit:
            raise TransientError(step.queue)
        return step.function(event, **others)

    return replace(step, function=fail_or_run)
