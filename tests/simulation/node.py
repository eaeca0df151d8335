"""One replica of a service, made of the real frame over a database and a broker in memory.

A node lives as long as one thing that happens to it. What it keeps in memory is gone then, as after a crash, and only
its database stays; so a crash is an exception that nothing in the frame catches.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from chassis.broker.origin import Origins
from chassis.broker.relay import AT_ONCE, Relay
from chassis.broker.retry import Retry
from chassis.choreography.declaration import Service
from chassis.choreography.envelope import Envelope
from chassis.choreography.step import Kind, Step
from chassis.errors import NotYetError
from chassis.run.batch import BatchRunner
from chassis.run.delivery import Delivery
from chassis.run.effect import NOT_YET, Done, EffectConsumer
from chassis.store.database import Work
from chassis.store.departures import Departures
from chassis.store.outbox import Outgoing
from contracts.event import Event
from tests.memory.broker import MemoryBroker, MemoryPublisher
from tests.memory.drive import turn
from tests.memory.store import MemoryDatabase, MemorySource

Result = TypeVar("Result")


class TransientError(Exception):
    """What a step raises that would work the next time."""


class Failure(NamedTuple):
    """An event, and the error that counts against it."""

    envelope: Envelope
    error: Exception


class Node:
    """A replica of a service, at work on one thing."""

    def __init__(
        self,
        service: Service,
        source: MemorySource,
        broker: MemoryBroker,
        dependencies: Mapping[type, Any],
        *,
        is_heard: bool = True,
    ) -> None:
        self.service = service
        self.source = source
        self._dependencies = dependencies
        self._departures = Departures()
        self._database = MemoryDatabase(source, self._departures, source.identity)
        self._publisher = MemoryPublisher(broker, service.name, is_heard=is_heard)
        self._origins = Origins(service.name, service.name)
        self._relay = Relay(self._publisher, self._departures, self._database)

    def subscribe(self, subscriber: Callable[[Sequence[Outgoing]], None]) -> None:
        """Call `subscriber` with what is said and committed."""
        self._database.subscribe(subscriber)

    async def run(self, work: Work[Result]) -> Result:
        """What a request or a job does, in a transaction."""
        result = await self._database.run(work)
        await self._publish()
        return result

    async def handle(self, step: Step, deliveries: Sequence[Delivery]) -> list[Failure]:
        """What the consumer of a step does with deliveries, up to their acknowledgement; returns what failed."""
        act = self._act if step.kind is Kind.EFFECT else self._batch
        failures = await act(step, deliveries)
        await self._publish()
        by_id = {one.envelope.event_id: one.message for one in deliveries}
        for failure in failures:
            await Retry(step, self._publisher, self._origins).again(by_id[failure.envelope.event_id], failure.error)
        return failures

    async def sweep(self) -> None:
        """Publish what nobody publishes."""
        await self._relay.sweep_once()
        await self._publish()

    async def _batch(self, step: Step, deliveries: Sequence[Delivery]) -> list[Failure]:
        runner = BatchRunner(step, self._database, self._dependencies)
        arrived = [one.envelope for one in deliveries]
        outcomes = zip(arrived, await runner.run(arrived), strict=True)
        return [Failure(one, error) for one, error in outcomes if error is not None]

    async def _act(self, step: Step, deliveries: Sequence[Delivery]) -> list[Failure]:
        """An effect: the same questions and the same writing, without the concurrency of the real consumer."""
        consumer = EffectConsumer(
            step, self._database, self._dependencies, self._publisher, self._origins, len(deliveries)
        )
        fresh, waiting = await self._database.run(partial(consumer._ask, deliveries))
        done, failures = [], [Failure(one.envelope, NotYetError(NOT_YET)) for one in waiting]
        for one in fresh:
            try:
                done.append(Done(one, await step.function(one.envelope.event, **consumer._dependencies)))
            except Exception as error:  # noqa: BLE001  # whatever it was, it is tried again
                failures.append(Failure(one.envelope, error))
        outcomes = await consumer._judge.outcomes(consumer._write, done) if done else []
        stored = zip(done, outcomes, strict=True)
        failures += [Failure(one.delivery.envelope, error) for one, error in stored if error is not None]
        return failures

    async def _publish(self) -> None:
        """What the pumps of the relay do, until nothing is left, and then its forgetting."""
        self._departures.end()
        while messages := await self._departures.take(AT_ONCE):
            await turn()
            await self._relay.publish(messages)
        await self._relay.forget_once()


def raising(step: Step, culprit: Event) -> Step:
    """The step, failing for one event."""

    def fail_or_run(event: Event, **others: Any) -> Any:
        if event is culprit:
            raise TransientError(step.queue)
        return step.function(event, **others)

    return replace(step, function=fail_or_run)
