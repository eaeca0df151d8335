"""Replaying: a restored service does again what it has forgotten, with the clock of then and the ids of then.

Its database is one: rows, inbox and outbox were restored to the same moment, so each step finds what it found then.
What it says again has the id that it had, and its hearers, who know it, drop it. A step that now says something else
than others have heard is rolled back and tried again in the next round, because it may need what comes later; what is
left when a round brings nothing more needs a person.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from chassis.choreography.declaration import Service
from chassis.choreography.envelope import Envelope, parse
from chassis.choreography.recollection import (
    Difference,
    Known,
    Lack,
    Verdict,
    judged,
    named,
    says_by_clock,
    starting,
)
from chassis.choreography.step import Step
from chassis.errors import ForgottenError, describe
from chassis.ids import new_id
from chassis.run.batch import Dependencies, chosen
from chassis.run.comparing import Comparison, merged, paged, stepping
from chassis.run.stories import Stories, Story
from chassis.store.database import Database
from chassis.store.departures import Departures
from chassis.store.failures import is_outage
from chassis.store.memory import account
from chassis.store.rows import LockedRows
from chassis.store.session import Source
from chassis.store.transaction import Identity, Transaction, split
from contracts.event import Event, Refusal

PAGE = 200
"""How many differences are looked at together: the sagas of so many are in memory"""
MAX_TROUBLES = 1_000
"""How many reasons are kept; of the others only the number"""


@dataclass(frozen=True)
class Trouble:
    """What cannot be done again without a person; `event` is what others have heard, or what is to be handled."""

    step: str
    saga_id: UUID
    event: str
    reason: str


@dataclass
class Replayed:
    """What came of a replay."""

    done: int = 0
    stands: list[Trouble] = field(default_factory=list)
    """Refusals that would not be given now, and stand"""
    troubles: list[Trouble] = field(default_factory=list)
    left: int = 0
    """How many troubles there are"""


class Replay:
    """Has one service do again what it has forgotten, in its own database."""

    def __init__(self, comparison: Comparison, service: Service, source: Source, dependencies: Dependencies) -> None:
        self._comparison = comparison
        self._service = service
        self._source = source
        self._dependencies = dependencies
        self._steps = {step.queue: step for step in stepping(service)}
        self._starts = starting(service)
        self._clocks = says_by_clock(service)
        self._events = named(comparison.choreography.events)
        self._stories = Stories(comparison, service)
        self._result = Replayed()
        self._blocked: set[UUID] = set()

    async def run(self) -> Replayed:
        """Go through all that is forgotten until a round brings nothing more; each item is committed by itself."""
        before = -1
        while before < self._result.done:
            before = self._result.done
            self._result.troubles, self._result.left = [], 0
            self._blocked = set()
            await self._round()
            if not self._result.left:
                break
        await self._settle()
        return self._result

    async def _round(self) -> None:
        async for page in paged(self._items(), PAGE):
            stories = await self._stories.of({one.event.saga_id for one in page})
            for one in page:
                # What comes later in a saga must not be done before what came earlier.
                if one.event.saga_id not in self._blocked:
                    await self._tried(one, stories[one.event.saga_id])

    def _items(self) -> AsyncIterator[Difference]:
        """What the service has not heard, and what it has begun and forgotten, the earliest first."""
        steps = self._steps.values()
        return merged([*(self._comparison.unheard(one, steps) for one in self._comparison.services), self._begun()])

    async def _begun(self) -> AsyncIterator[Difference]:
        """In the order of each step that heard it: starts of different kinds are not merged among themselves."""
        async for one in self._comparison.forgotten(self._service):
            if one.event.name in self._starts:
                yield one

    async def _tried(self, one: Difference, story: Story) -> None:
        try:
            done = self._begin(one, story) if one.lack is Lack.FORGOTTEN else self._handle(one, story)
            self._result.done += await done
        except Exception as error:
            if is_outage(error):
                raise
            step = self._starts[one.event.name].queue if one.lack is Lack.FORGOTTEN else one.step
            reason = str(error) if isinstance(error, ForgottenError) else describe(error)
            self._trouble(Trouble(step, one.event.saga_id, one.event.name, reason))

    def _trouble(self, trouble: Trouble) -> None:
        self._blocked.add(trouble.saga_id)
        self._result.left += 1
        if len(self._result.troubles) < MAX_TROUBLES:
            self._result.troubles.append(trouble)

    async def _handle(self, one: Difference, story: Story) -> bool:
        """Do a step again for an event; whether it had not been done meanwhile."""
        step, evidence = self._steps[one.step], story.evidence.get((one.step, one.event.event_id))
        message = story.messages[one.event.event_id]
        envelope = parse(step.hears, json.loads(message.headers), message.body.encode())
        then = evidence.at if evidence else envelope.occurred_at
        try:
            return await self._commit(partial(self._step, step, envelope, evidence, then), evidence, then)
        except (_RefusedThenError, _DifferentError) as error:
            is_undone = story.undone & {other.queue for other in self._comparison.choreography.undoing(step)}
            if evidence is None or not (is_undone or isinstance(error, _RefusedThenError)):
                raise
            await self._commit(partial(_let_stand, step, envelope, evidence), evidence, then)
            if not is_undone and len(self._result.stands) < MAX_TROUBLES:
                self._result.stands.append(Trouble(step.queue, one.event.saga_id, evidence.name, str(error)))
            return True

    async def _step(
        self, step: Step, envelope: Envelope, evidence: Known | None, then: datetime, transaction: Transaction
    ) -> bool:
        if not await transaction.accept(step.queue, [envelope]):
            return False
        outcome = await self._outcome(transaction, step, envelope, then)
        said, _ = split(outcome)
        verdict = judged(said.name if said else None, self._events[evidence.name] if evidence else None)
        if evidence is not None and verdict is not Verdict.AGREES:
            error = _RefusedThenError if verdict is Verdict.STANDS else _DifferentError
            raise error(f"it said {evidence.name} then, and now it says {_told(said)}")
        transaction.apply(outcome, envelope)
        return True

    async def _begin(self, one: Difference, story: Story) -> bool:
        """Begin a saga again that a request had begun, by what others have said since."""
        start = self._starts[one.event.name]
        again = self._service.recalls.get(start.queue)
        heard = named(again.hears) if again else {}
        known = sorted((m for m in story.messages.values() if m.event.name in heard), key=lambda m: m.event.at)
        if again and known:
            envelope = parse(again.hears, json.loads(known[0].headers), known[0].body.encode())
            return await self._commit(partial(self._recall, again, envelope, one.event.at), one.event, one.event.at)
        if any(issubclass(self._events[m.event.name], Refusal) for m in story.messages.values()):
            await self._account(start, one.event)  # it was refused at once, and nothing is left of it
            return True
        raise ForgottenError("nobody has said what was asked for")

    async def _recall(self, again: Step, envelope: Envelope, then: datetime, transaction: Transaction) -> bool:
        outcome = await self._outcome(transaction, again, envelope, then)
        if split(outcome)[0] is None:
            raise ForgottenError("it cannot begin now")
        transaction.apply(outcome, trace=envelope.traceparent)
        return True

    async def _outcome(self, transaction: Transaction, step: Step, envelope: Envelope, then: datetime) -> Any:
        rows = await LockedRows.of(transaction, step, [envelope])
        clock = {"now": then} if step.takes_now else {}
        provided = chosen(self._dependencies, step)
        return step.function(envelope.event, **rows.arguments(envelope.event), **clock, **provided)

    async def _commit(self, work: Any, known: Known | None, then: datetime) -> bool:
        """Run work in a transaction whose events are said then, and have the id of the event that is known."""
        identity = Identity(now=lambda: then, event_id=lambda *_: known.event_id if known else new_id())
        return bool(await Database(self._source, Departures(), identity).attempts(work))

    async def _account(self, step: Step, event: Known) -> None:
        await self._commit(partial(_note, step, event), event, event.at)

    async def _settle(self) -> None:
        """Note what the clock has said, which it says again if need be; what is unexplained needs a person."""
        by_name = {event.name: step for step in self._service.steps for event in step.says}
        async for one in self._comparison.forgotten(self._service):
            event = one.event
            if event.name in self._clocks:
                await self._account(by_name[event.name], event)
            elif event.saga_id not in self._blocked:
                reason = f"{one.step} has heard it, and what leads to it is handled here and led to something else"
                self._trouble(Trouble(by_name[event.name].queue, event.saga_id, event.name, reason))


class _RefusedThenError(ForgottenError):
    """A step had refused what it would do now."""


class _DifferentError(ForgottenError):
    """A step had done what it would not do now; that matters, unless it has been undone since."""


async def _let_stand(step: Step, envelope: Envelope, evidence: Known, transaction: Transaction) -> bool:
    await transaction.accept(step.queue, [envelope])
    await account(transaction, step.queue, evidence)
    return True


async def _note(step: Step, event: Known, transaction: Transaction) -> bool:
    await account(transaction, step.queue, event)
    return True


def _told(said: Event | None) -> str:
    if said is None:
        return "nothing"
    return f"{said.name} ({said.reason})" if isinstance(said, Refusal) else said.name
