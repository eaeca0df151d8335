"""Recollection: what one service remembers of a saga, held against what the others do.

A database that was restored has forgotten the newest of what it has heard and said. The others have not: what was said
to it is in their `said`, and the ids of what it said are in their inboxes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from chassis.choreography.declaration import Service
from chassis.choreography.graph import EventType
from chassis.choreography.step import Kind, Step
from contracts.event import TOLERANCE, Refusal

CLOCKS = (Kind.LAPSE, Kind.INQUIRY, Kind.CALL)
Place = tuple[str, UUID]
"""A step, by its queue, and the id of an event that it hears"""


class Lack(StrEnum):
    """What somebody does not know who should."""

    UNHEARD = "unheard"
    """One has said it, and a step that hears it has not handled it"""
    FORGOTTEN = "forgotten"
    """A step has handled it, and who said it does not remember that"""


class Verdict(StrEnum):
    """What a step that is done again makes of what it once said."""

    AGREES = "agrees"
    STANDS = "stands"
    """It had refused, and would not now. What was undone since is undone, so the refusal stands"""
    DIFFERS = "differs"
    """It had done something that it cannot do now: a person has to say why"""


@dataclass(frozen=True, slots=True)
class Known:
    """An event that somebody has said or heard, and when it was said."""

    event_id: UUID
    saga_id: UUID
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """An event that `service` should know: as its sayer, or with the step that should have handled it."""

    lack: Lack
    service: str
    step: str
    """The step that has not handled it, or the one that has"""
    event: Known


def says_by_clock(service: Service) -> set[str]:
    """The events that a clock of the service may say, and says again until it has an answer."""
    return {event.name for step in service.steps if step.kind in CLOCKS for event in step.says}


def starting(service: Service) -> dict[str, Step]:
    """The starts of a service, by the names of the events with which they begin."""
    return {
        event.name: step for step in service.steps if step.kind is Kind.START and not step.hears for event in step.says
    }


def matched(service: Service, causes: Iterable[tuple[Step, Known]], effects: Sequence[Known]) -> dict[Place, Known]:
    """Which forgotten event of a saga each forgotten cause has led to, as far as it is certain.

    An event was said right after its cause; of several, it belongs to the nearest. What a clock may say too is no
    evidence of what a step has done.
    """
    open_ = list(causes)
    clocks, found = says_by_clock(service), dict[Place, Known]()
    for effect in sorted(effects, key=lambda one: one.at):
        able = [pair for pair in open_ if _may_cause(*pair, effect, clocks)]
        if able:
            step, cause = nearest = min(able, key=lambda pair: abs(_lag(pair[1], effect)))
            found[step.queue, cause.event_id] = effect
            open_.remove(nearest)
    return found


def judged(outcome: str | None, evidence: EventType | None) -> Verdict:
    """What to make of the event (or None) that a step says when it is done again, where another said this one."""
    if evidence is None or outcome == evidence.name:
        return Verdict.AGREES
    return Verdict.STANDS if issubclass(evidence, Refusal) else Verdict.DIFFERS


def named(events: Iterable[EventType]) -> Mapping[str, EventType]:
    """Events by their names."""
    return {event.name: event for event in events}


def _may_cause(step: Step, cause: Known, effect: Known, clocks: set[str]) -> bool:
    is_said = any(event.name == effect.name for event in step.says)
    return is_said and effect.name not in clocks and _lag(cause, effect) >= -TOLERANCE


def _lag(cause: Known, effect: Known) -> timedelta:
    return effect.at - cause.at
