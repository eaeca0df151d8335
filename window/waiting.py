"""Waiting: which step failed with which event, and which has not answered one yet."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.choreography.step import FROM_OUTSIDE
from window.choreography import Choreography, Leg, Step
from window.message import Message, Place
from window.order import Told, by_sight
from window.story import Attempt, Wait

Key = tuple[str, UUID]
"""A step, and the event that it hears"""


@dataclass(frozen=True, slots=True)
class Aside:
    """What was seen of an event that a step failed with."""

    attempts: tuple[Attempt, ...]
    last: Message

    @property
    def is_put_aside(self) -> bool:
        """Whether it rests or is parked, as far as was seen."""
        return self.last.place in (Place.RESTING, Place.PARKED)


def asides(messages: Iterable[Message]) -> dict[Key, Aside]:
    """What failed, by the step and the event."""
    found: dict[Key, list[Message]] = {}
    for message in messages:
        if message.place is not Place.SAID and message.step:
            found.setdefault((message.step, message.event_id), []).append(message)
    return {key: _aside(sorted(seen, key=by_sight)) for key, seen in found.items()}


def waits(
    told: Sequence[Told], aside: Mapping[Key, Aside], choreography: Choreography, end: Told | None
) -> Iterator[Wait]:
    """What the saga waits for, in the order in which it was said.

    A step that has answered another event of the saga owes no second answer, because a repetition has nothing to say;
    nor does one in whose place another has answered the clock, nor one that hears a call, which may not concern it; nor
    does a forward step once all is undone, nor one that only the clock asks once the saga has ended. Whatever rests or
    is parked waits all the same.
    """
    answered = {(one.step.name, one.message.cause) for one in told if one.step and one.message.cause}
    asked = {one.step for one in told if one.step and one.message.cause and one.step.leg is Leg.ASKED}
    busy = {name for name, _ in answered} | {twin.name for step in asked for twin in choreography.twins(step)}
    failed: dict[UUID, list[str]] = {}
    for name, event_id in aside:
        failed.setdefault(event_id, []).append(name)
    for one in told:
        event_id = one.message.event_id
        hearing = {step.name: step for step in choreography.hearing(one.message.event)}
        for name in dict.fromkeys((*hearing, *sorted(failed.get(event_id, ())))):
            found = aside.get((name, event_id))
            if (name, event_id) in answered:
                continue
            if (found and found.is_put_aside) or (name in hearing and name not in busy and _owes(hearing[name], end)):
                yield _wait(name, one.message, found)


def _owes(step: Step, end: Told | None) -> bool:
    if step.kind in FROM_OUTSIDE:
        return False
    if end is None:
        return True
    return step.leg is not Leg.ASKED and not (end.is_undoing and step.undoes is None)


def _wait(step: str, message: Message, aside: Aside | None) -> Wait:
    return Wait(
        step=step,
        event=message.event,
        event_id=message.event_id,
        # Whichever clock is behind: it cannot wait for longer than since it was said, nor since it was seen.
        since=min(message.occurred_at, message.seen_at),
        attempts=aside.attempts if aside else (),
        is_parked=aside is not None and aside.last.place is Place.PARKED,
    )


def _aside(seen: Sequence[Message]) -> Aside:
    failed = (_attempt(one) for one in seen if one.place is not Place.BACK)
    return Aside(tuple(dict.fromkeys(failed)), seen[-1])


def _attempt(message: Message) -> Attempt:
    return Attempt(
        at=message.seen_at,
        step=message.step or "?",
        event_id=message.event_id,
        number=message.attempt,
        delay=message.delay if message.place is Place.RESTING else None,
        error=message.error or "",
    )
