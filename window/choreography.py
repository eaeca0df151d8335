"""Choreography: which steps there are and what leads to what, read from the files that services publish."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from chassis.choreography.step import FROM_OUTSIDE, Kind

PUBLISHED = Path(__file__).resolve().parents[1] / "contracts" / "published"
"""Where the published files of this repository are"""


class UnreadableChoreographyError(Exception):
    """What is published is missing or broken."""


class Leg(StrEnum):
    """The part of a saga that a step belongs to."""

    OUT = "out"
    BACK = "back"
    ASKED = "asked"
    """What the clock asks about a saga that should have ended, and what answers"""


@dataclass(frozen=True, slots=True)
class Step:
    """A published step; its name is also the name of its queue."""

    name: str
    saga: str
    leg: Leg
    kind: Kind
    hears: tuple[str, ...]
    says: tuple[str, ...]
    refusals: tuple[str, ...]
    ends: tuple[str, ...]
    undoes: str | None
    undone_by: tuple[str, ...]
    reverses: str | None = None
    """The step of another saga, long committed, that this one takes back"""

    @property
    def service(self) -> str:
        """The service that the step belongs to."""
        return self.name.partition(".")[0]

    @property
    def hears_nothing(self) -> bool:
        """Whether a request or the clock sets it off, and no event."""
        return self.kind in FROM_OUTSIDE and not self.hears

    @property
    def is_called(self) -> bool:
        """Whether what a service calls out to all sagas sets it off: its cause may belong to another saga."""
        return self.kind is Kind.START and bool(self.hears)

    @property
    def is_clock(self) -> bool:
        """Whether the clock sets it off."""
        return self.hears_nothing and self.kind is not Kind.START


@dataclass(frozen=True)
class Saga:
    """The steps of one kind of saga, each leg in the order in which they follow each other."""

    name: str
    out: tuple[Step, ...]
    back: tuple[Step, ...]
    asked: tuple[Step, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps."""
        return (*self.out, *self.back, *self.asked)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that take part, in the order in which they come in."""
        return tuple(dict.fromkeys(step.service for step in self.steps))


@dataclass(frozen=True)
class Choreography:
    """All sagas that are published."""

    sagas: Mapping[str, Saga]
    outcomes: Mapping[str, str]
    """What an event makes of the resource that it ends, such as `completed`"""
    delays: Mapping[str, timedelta]
    """How long a message rests, by the name of the delay"""

    @cached_property
    def steps(self) -> Mapping[str, Step]:
        """All steps by their names."""
        return {step.name: step for saga in self.sagas.values() for step in saga.steps}

    @cached_property
    def services(self) -> tuple[str, ...]:
        """All services, in the order in which they come in."""
        return tuple(dict.fromkeys(name for saga in self.sagas.values() for name in saga.services))

    @cached_property
    def events(self) -> frozenset[str]:
        """All events that are said or heard."""
        return frozenset((*self._saying, *self._hearing))

    @cached_property
    def ends(self) -> frozenset[str]:
        """The events with which a saga may end."""
        return frozenset(event for step in self.steps.values() for event in step.ends)

    def hearing(self, event: str) -> tuple[Step, ...]:
        """The steps that hear an event."""
        return self._hearing.get(event, ())

    def saying(self, event: str) -> tuple[Step, ...]:
        """The steps that may say an event."""
        return self._saying.get(event, ())

    def sayer(self, event: str, cause: str | None, *, is_cause_known: bool = True) -> Step | None:
        """The step that says an event because of another one; None where several might or nobody does.

        `is_cause_known` is False when there was a cause that nobody has seen: then it may be any that hears something.
        """
        steps = self.saying(event)
        fits = [one for one in steps if _fits(one, cause, is_cause_known)]
        return fits[0] if fits else steps[0] if len(steps) == 1 else None

    def twins(self, step: Step) -> tuple[Step, ...]:
        """The other steps of its saga that say just the same: they stand for it, or it for them."""
        saga = self.sagas[step.saga].steps
        return tuple(one for one in saga if one is not step and one.says and set(one.says) == set(step.says))

    def saga_of(self, event: str) -> str | None:
        """The kind of saga that an event belongs to."""
        steps = self.saying(event) or self.hearing(event)
        return steps[0].saga if steps else None

    def is_refusal(self, event: str, step: Step) -> bool:
        """Whether a step says with this event that the way back begins: because it refuses, or only undoes follow."""
        if step.undoes is not None:
            return False
        hearers = self.hearing(event)
        return event in step.refusals or bool(hearers and all(one.kind is Kind.UNDO for one in hearers))

    def following(self, event: str) -> frozenset[str]:
        """All events that an event may lead to, whatever happens on the way."""
        return self._following.get(event, frozenset())

    @cached_property
    def lapsed(self) -> Mapping[str, frozenset[str]]:
        """For each end that the clock may undo: what it says then, and all that this may lead to."""
        found: dict[str, frozenset[str]] = {}
        for lapse in self.steps.values():
            undone = self.steps.get(lapse.undoes or "")
            if lapse.kind is Kind.LAPSE and undone:
                after = frozenset(lapse.says).union(*(self.following(event) for event in lapse.says))
                found |= {end: found.get(end, frozenset()) | after for end in undone.ends}
        return found

    @cached_property
    def _hearing(self) -> Mapping[str, tuple[Step, ...]]:
        return _indexed((event, step) for step in self.steps.values() for event in step.hears)

    @cached_property
    def _saying(self) -> Mapping[str, tuple[Step, ...]]:
        return _indexed((event, step) for step in self.steps.values() for event in step.says)

    @cached_property
    def _following(self) -> Mapping[str, frozenset[str]]:
        return {event: frozenset(self._walk(event)) for event in self._saying}

    def _walk(self, event: str) -> set[str]:
        found: set[str] = set()
        waiting = [event]
        while waiting:
            said = {one for step in self.hearing(waiting.pop()) for one in step.says}
            waiting.extend(said - found)
            found |= said
        return found


def load(folder: Path = PUBLISHED) -> Choreography:
    """The choreography that is published in a folder; raises UnreadableChoreographyError."""
    data, topology = _read(folder / "choreography.json"), _read(folder / "topology.json")
    try:
        return Choreography(
            sagas={name: _saga(name, legs) for name, legs in data["sagas"].items()},
            outcomes={event: what for shown in data["resources"].values() for event, what in shown.items()},
            delays=dict(_delays(topology["queue"])),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UnreadableChoreographyError(
            f"what {folder} says is no choreography ({type(error).__name__}: {error}); publish it again"
        ) from error


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise UnreadableChoreographyError(
            f"{path} cannot be read: {error.strerror}; is the folder complete?"
        ) from error
    except ValueError as error:
        raise UnreadableChoreographyError(f"{path} is no JSON: {error}; publish it again") from error


def _saga(name: str, legs: Mapping[str, Any]) -> Saga:
    out, back, asked = (tuple(_step(name, leg, step) for step in legs[leg.value]) for leg in Leg)
    return Saga(name, out, back, asked)


def _step(saga: str, leg: Leg, data: Mapping[str, Any]) -> Step:
    return Step(
        name=_text(data["step"]),
        saga=saga,
        leg=leg,
        kind=Kind(data["kind"]),
        hears=_texts(data["hears"]),
        says=_texts(data["says"]),
        refusals=_texts(data["refusals"]),
        ends=_texts(data["ends"]),
        undoes=None if data["undoes"] is None else _text(data["undoes"]),
        undone_by=_texts(data["undone_by"]),
        reverses=None if data.get("reverses") is None else _text(data["reverses"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no name")
    return value


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list of names")
    return tuple(map(_text, values))


def _delays(queues: Mapping[str, Any]) -> Iterable[tuple[str, timedelta]]:
    """The delays: a queue of such a name lets its messages go when their time is up."""
    for name, queue in queues.items():
        if "x-message-ttl" in queue["arguments"]:
            yield name.rpartition(".")[2], timedelta(milliseconds=queue["arguments"]["x-message-ttl"])


def _indexed(pairs: Iterable[tuple[str, Step]]) -> dict[str, tuple[Step, ...]]:
    found: dict[str, tuple[Step, ...]] = {}
    for key, step in pairs:
        found[key] = (*found.get(key, ()), step)
    return found


def _fits(step: Step, cause: str | None, is_cause_known: bool) -> bool:
    if not is_cause_known:
        return not step.hears_nothing
    return step.hears_nothing if cause is None else cause in step.hears
