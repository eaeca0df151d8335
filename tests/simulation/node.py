"""One service in memory: the frame around its steps does what `chassis.run.batch` and `chassis.broker.relay` do."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from chassis.choreography.envelope import Envelope
from chassis.choreography.step import Kind, Step
from chassis.store.rows import LockedRows
from tests.simulation.database import Database, Transaction
from tests.simulation.scenario import Safeguard, Trouble


class TransientError(Exception):
    """What a step raises that would work the next time."""


class Bound(LockedRows):
    """Rows bound to the parameters of a step by the rules of `chassis.store.rows`, but taken from memory."""

    @classmethod
    def to(cls, step: Step, transaction: Transaction, arrived: Sequence[Envelope]) -> "Bound":
        """What the events touch."""
        bound = cls(step)
        for parameter in step.rows:
            name = parameter.column
            keys = {key for envelope in arrived for key in bound._keys(parameter, envelope.event)}
            found = bound._found[parameter.name] = defaultdict(list)
            rows: list[Any] = transaction.load(parameter.model, name, keys)
            for row in rows:
                found[getattr(row, name)].append(row)
        return bound


class Node:
    """A service. What its methods give back is what reaches the broker."""

    def __init__(self, database: Database, resources: Mapping[type, Any], without: frozenset[Safeguard]) -> None:
        self.database = database
        self._resources = resources
        self._without = without

    def transaction(self, now: datetime) -> Transaction:
        """A new one."""
        return Transaction(self.database, now, unique=Safeguard.UNIQUE_CONSTRAINTS not in self._without)

    def begin(self, step: Step, outcome: Any, transaction: Transaction, trouble: Trouble | None) -> list[Envelope]:
        """Commit what a start returned."""
        transaction.keep(step, outcome)
        return self._finish(transaction, trouble)

    def handle(self, step: Step, arrived: Sequence[Envelope], now: datetime, trouble: Trouble | None) -> list[Envelope]:
        """Commit what a step makes of a batch, in one transaction; raises what the step raises, and commits nothing."""
        transaction = self.transaction(now)
        fresh = arrived if Safeguard.INBOX in self._without else transaction.accept(step, arrived)
        bound = Bound.to(step, transaction, fresh)
        for envelope in fresh:
            if trouble is Trouble.RAISE and envelope is fresh[-1]:
                raise TransientError(step.queue)
            bound.add(transaction.keep(step, self._act(step, envelope, bound, now), envelope))
        return self._finish(transaction, trouble)

    def sweep(self) -> list[Envelope]:
        """Publish what a crash has left in the outbox."""
        left = list(self.database.outbox.values())
        self._forget(left)
        return left

    def _act(self, step: Step, envelope: Envelope, bound: Bound, now: datetime) -> Any:
        resources = {need.name: self._resources[need.provides] for need in step.dependencies}
        clock = {"now": now} if step.takes_now else {}
        outcome = step.function(envelope.event, **bound.arguments(envelope.event), **clock, **resources)
        return _awaited(outcome) if step.kind is Kind.EFFECT else outcome

    def _finish(self, transaction: Transaction, trouble: Trouble | None) -> list[Envelope]:
        """Commit, publish, forget; or crash on the way."""
        if trouble is Trouble.CRASH_BEFORE_COMMIT:
            if Safeguard.ATOMIC_COMMIT in self._without:
                self.database = transaction.rows_alone()
            return []
        self.database = transaction.commit()
        if Safeguard.OUTBOX in self._without:
            self._forget(transaction.said)
        if trouble is Trouble.CRASH_BEFORE_PUBLISH:
            return []
        if trouble is not Trouble.CRASH_BEFORE_FORGET:
            self._forget(transaction.said)
        return transaction.said

    def _forget(self, published: Sequence[Envelope]) -> None:
        if published:
            self.database = self.database.forget({envelope.event_id for envelope in published})


def _awaited(effect: Any) -> Any:
    """The result of a coroutine that never waits."""
    try:
        effect.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("an effect waited for something that this world does not have")
