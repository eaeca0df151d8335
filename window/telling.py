"""Telling: makes the story of a saga out of its messages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.choreography.step import Kind
from window import bodies
from window.choreography import Choreography
from window.message import Message
from window.oddity import oddities
from window.order import Told, in_order
from window.story import Happening, Story, Way
from window.waiting import Aside, Key, asides, waits

GRACE = timedelta(seconds=10)
"""How long after its deadline a saga may still end: from then on the clocks of all services ask about it"""
UNKNOWN = "?"
"""The saga of events that no choreography has"""


def tell(messages: Sequence[Message], choreography: Choreography, now: datetime) -> Story:
    """What has become of the saga of these messages; raises ValueError when there are none.

    A saga is late if it ends, or is still under way, more than GRACE after its deadline; that stays so. What the clock
    undoes after the end is late if it is not undone GRACE after that.
    """
    if not messages:
        raise ValueError("there is no saga without a message")
    told, aside = in_order(messages, choreography), asides(messages)
    saga = _saga(told, choreography)
    course = _course(told, choreography)
    times = [one.message.occurred_at for one in told]
    return Story(
        saga_id=next((one.saga_id for one in _sure(told) if one.saga_id), told[0].message.event_id),
        saga=saga,
        way=course.way,
        outcome=course.outcome,
        reason=course.reason,
        begun_at=min(times),
        last_at=max(times),
        ended_at=course.ended_at,
        deadline=course.deadline,
        is_late=course.is_late(now),
        happenings=_happenings(told, aside, choreography),
        waits=tuple(waits(told, aside, choreography, course.end if course.way is Way.ENDED else None)),
        oddities=tuple(oddities(told, choreography, saga)),
    )


@dataclass(slots=True)
class _Course:
    """How far a saga has come."""

    way: Way = Way.OUT
    end: Told | None = None
    ended_at: datetime | None = None
    first_ended_at: datetime | None = None
    lapsed_at: datetime | None = None
    outcome: str | None = None
    reason: str | None = None
    deadline: datetime | None = None

    def is_late(self, now: datetime) -> bool:
        """Whether it took too long, or what the clock undoes now does."""
        return _is_later(self.first_ended_at or now, self.deadline) or _is_later(self.ended_at or now, self.lapsed_at)


def _course(told: Sequence[Told], choreography: Choreography) -> _Course:
    course = _Course()
    for one in told:
        _read(course, one)
        _turn(course, one, choreography)
    for said in (course.end, told[0]):
        if course.reason is None and said:
            course.reason = bodies.text(bodies.fields(said.message.body), bodies.REASON)
    return course


def _read(course: _Course, one: Told) -> None:
    """What the body of an event says about the whole saga: the first that says it counts."""
    turns = one.is_refusal or (one.step is not None and one.step.kind is Kind.LAPSE)
    if course.deadline is not None and not turns:
        return
    values = bodies.fields(one.message.body)
    course.deadline = course.deadline or bodies.moment(values, bodies.DEADLINE)
    if turns:
        course.reason = course.reason or bodies.text(values, bodies.REASON)


def _turn(course: _Course, one: Told, choreography: Choreography) -> None:
    name, at = one.message.event, one.message.occurred_at
    undoable = choreography.lapsed.get(course.end.message.event, frozenset()) if course.end else frozenset()
    if one.is_end and (course.end is None or name in undoable):
        course.way, course.end, course.ended_at = Way.ENDED, one, at
        course.outcome = choreography.outcomes.get(name, name)
        course.first_ended_at = course.first_ended_at or at
    elif course.end is None and (one.is_refusal or one.is_undoing):
        course.way = Way.BACK
    elif name in undoable and one.is_undoing:
        course.way, course.ended_at, course.outcome = Way.BACK, None, None
        course.lapsed_at = course.lapsed_at or at


def _is_later(at: datetime, than: datetime | None) -> bool:
    # A deadline may be the last moment that there is, so nothing is added to it.
    return than is not None and at - than > GRACE


def _saga(told: Iterable[Told], choreography: Choreography) -> str:
    sagas = (choreography.saga_of(one.message.event) for one in told)
    return next((saga for saga in sagas if saga), UNKNOWN)


def _sure(told: Sequence[Told]) -> list[Message]:
    """The messages of known events before all others."""
    return [one.message for one in sorted(told, key=lambda one: one.step is None)]


def _happenings(told: Sequence[Told], aside: Mapping[Key, Aside], choreography: Choreography) -> tuple[Happening, ...]:
    left, done = dict(aside), dict[str, int]()
    found = []
    for place, one in enumerate(told):
        found.append(_happening(one, done, left))
        if one.step and not one.is_refusal:
            done |= {step.name: place for step in (one.step, *choreography.twins(one.step))}
    return tuple(found)


def _happening(one: Told, done: Mapping[str, int], aside: dict[Key, Aside]) -> Happening:
    """`done` has where each step last did something, and `aside` what failed that no happening came of yet."""
    failed = aside.pop((one.step.name, one.message.cause), None) if one.step and one.message.cause else None
    return Happening(
        message=one.message,
        step=one.step.name if one.step else None,
        way=_way(one),
        is_refusal=one.is_refusal,
        is_end=one.is_end,
        cause=one.cause,
        undoes=done.get(one.step.undoes) if one.step and one.step.undoes else None,
        attempts=failed.attempts if failed else (),
        copies=one.copies,
        reverses=one.step.reverses if one.step and not one.is_refusal else None,
    )


def _way(one: Told) -> Way:
    """Its own way: an end that finishes the way back is an end."""
    if one.is_end:
        return Way.ENDED
    return Way.BACK if one.is_refusal or one.is_undoing else Way.OUT
