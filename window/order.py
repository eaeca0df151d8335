"""Order: the events of a saga once each, every one after what caused it, with the step that said it."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from window.choreography import Choreography, Step
from window.message import Message, Place


@dataclass(frozen=True, slots=True)
class Told:
    """An event in its place, and what the choreography knows of it."""

    message: Message
    copies: int
    """How often it was said; zero when it was only seen on its way to another attempt"""
    is_changed: bool
    """Whether it was not the same each time"""
    cause: int | None
    """The place of its cause, which is before its own"""
    step: Step | None
    is_refusal: bool
    is_end: bool
    root: int
    """Where the chain of its causes begins, as far as it was seen"""

    @property
    def is_undoing(self) -> bool:
        """Whether it was said on the way back."""
        return self.step is not None and self.step.undoes is not None

    @property
    def is_forward(self) -> bool:
        """Whether it was said on the way out, and is no refusal."""
        return self.step is not None and self.step.undoes is None and not self.is_refusal


@dataclass(frozen=True, slots=True)
class _Event:
    message: Message
    copies: int
    is_changed: bool

    @property
    def key(self) -> tuple[datetime, int, UUID]:
        """Its place among those that did not cause each other."""
        return self.message.occurred_at, self.message.number, self.message.event_id


def in_order(messages: Iterable[Message], choreography: Choreography) -> list[Told]:
    """The events in the messages, cause before effect, then by time, then by number."""
    told: list[Told] = []
    places: dict[UUID, int] = {}
    for event in _sorted(_collapsed(messages)):
        message = event.message
        cause = places.get(message.cause) if message.cause else None
        step = _sayer(message, None if cause is None else told[cause].message, choreography)
        places[message.event_id] = len(told)
        told.append(
            Told(
                message=message,
                copies=event.copies,
                is_changed=event.is_changed,
                cause=cause,
                step=step,
                is_refusal=step is not None and choreography.is_refusal(message.event, step),
                is_end=message.event in choreography.ends,
                root=len(told) if cause is None else told[cause].root,
            )
        )
    return told


def by_sight(message: Message) -> tuple[Any, ...]:
    """Sorts messages in the order in which they were seen, the same way however they come."""
    essence = (message.event, message.service, message.version, str(message.cause), message.occurred_at, message.body)
    failure = (message.step or "", message.attempt, message.delay or "", message.error or "")
    return message.seen_at, message.number, message.place, essence, failure, str(message.saga_id)


def _sayer(message: Message, cause: Message | None, choreography: Choreography) -> Step | None:
    is_known = message.cause is None or cause is not None
    return choreography.sayer(message.event, cause.event if cause else None, is_cause_known=is_known)


def _collapsed(messages: Iterable[Message]) -> list[_Event]:
    """Each event once, as it was first said; one that nobody heard being said has happened as well."""
    found: dict[UUID, list[Message]] = {}
    for message in messages:
        found.setdefault(message.event_id, []).append(message)
    return [_event(sightings) for sightings in found.values()]


def _event(sightings: Sequence[Message]) -> _Event:
    said = [one for one in sightings if one.place is Place.SAID]
    first = sightings[0] if len(sightings) == 1 else min(said or sightings, key=by_sight)
    return _Event(first, len(said), len(said) > 1 and any(_essence(one) != _essence(first) for one in said))


def _essence(message: Message) -> tuple[object, ...]:
    return message.event, message.version, message.service, message.cause, message.occurred_at, message.body


def _sorted(events: Sequence[_Event]) -> Iterator[_Event]:
    """Causes before effects; where causes go round in a circle, it is cut at its earliest event."""
    waiting = {event.message.event_id: event for event in events}
    effects: dict[UUID, list[_Event]] = {}
    for event in events:
        if event.message.cause is not None:
            effects.setdefault(event.message.cause, []).append(event)
    ready = [event.key for event in events if event.message.cause not in waiting]
    heapq.heapify(ready)
    while waiting:
        _, _, event_id = heapq.heappop(ready) if ready else min(event.key for event in waiting.values())
        if event_id not in waiting:
            continue
        yield waiting.pop(event_id)
        for effect in effects.get(event_id, ()):
            heapq.heappush(ready, effect.key)
