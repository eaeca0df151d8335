"""Oddity: what should not be in a saga, as its choreography is declared.

| kind | what was seen |
| --- | --- |
| `unknown-event` | an event of no known choreography |
| `foreign-event` | an event of another choreography than the saga's |
| `wrong-service` | an event said by a service that may not say it |
| `wrong-cause` | an event whose cause nobody answers with it |
| `unseen-cause` | an event whose cause nobody saw |
| `cycle` | an event that comes before its cause, because causes go round in a circle |
| `changed` | an event said again with other words |
| `begun-twice` | a second start |
| `two-answers` | a step that answered the same event twice |
| `undone-undone` | a compensation without its step, and no clock that asked for it |
| `two-ends` | a second end that is not the first, nor says that somebody was told of it |
| `after-end` | an event after the end that would have had to come before |
"""

from collections.abc import Iterator, Sequence

from chassis.choreography.step import Kind
from window.choreography import Choreography, Leg
from window.order import Told
from window.story import Oddity


def oddities(told: Sequence[Told], choreography: Choreography, saga: str) -> Iterator[Oddity]:
    """All that is odd, kind by kind."""
    for one in told:
        yield from _alone(one, choreography, saga)
    yield from _causes(told, choreography)
    yield from _starts(told)
    yield from _answers(told)
    yield from _undone(told)
    yield from _ends(told, choreography)


def _alone(one: Told, choreography: Choreography, saga: str) -> Iterator[Oddity]:
    message = one.message
    if message.event not in choreography.events:
        yield _odd("unknown-event", f"{message.event} is an event of no known choreography", one)
        return
    if (other := choreography.saga_of(message.event)) != saga:
        yield _odd("foreign-event", f"{message.event} belongs to {other}, and not to {saga}", one)
    services = list(dict.fromkeys(step.service for step in choreography.saying(message.event)))
    if message.service not in services:
        who = " or ".join(services)
        yield _odd("wrong-service", f"{message.event} was said by {message.service}, and only {who} may say it", one)
    if one.is_changed:
        yield _odd("changed", f"{message.event} was said again under the same id with other words", one)


def _causes(told: Sequence[Told], choreography: Choreography) -> Iterator[Oddity]:
    known = {one.message.event_id for one in told}
    for one in told:
        message = one.message
        if one.step and one.step.is_called:
            continue
        if message.cause is not None and one.cause is None:
            circular = message.cause in known
            what = "comes before its cause: causes go round in a circle" if circular else "has a cause that nobody saw"
            yield _odd("cycle" if circular else "unseen-cause", f"{message.event} {what}", one)
        elif message.event in choreography.events and not _is_answer(one, told):
            because = "no cause" if one.cause is None else f"the cause {told[one.cause].message.event}"
            yield _odd("wrong-cause", f"{message.event} has {because}, and no step says it then", one)


def _is_answer(one: Told, told: Sequence[Told]) -> bool:
    if one.step is None:
        return False
    return one.step.hears_nothing if one.cause is None else told[one.cause].message.event in one.step.hears


def _starts(told: Sequence[Told]) -> Iterator[Oddity]:
    starts = [one for one in told if one.step and one.step.kind is Kind.START and one.message.cause is None]
    for one in starts[1:]:
        yield _odd("begun-twice", f"{one.message.event} begins a saga that has begun", one)


def _answers(told: Sequence[Told]) -> Iterator[Oddity]:
    first: dict[tuple[str, int], Told] = {}
    for one in told:
        if one.step is None or one.cause is None:
            continue
        before = first.setdefault((one.step.name, one.cause), one)
        if before is not one:
            said = f"{before.message.event}, then {one.message.event}"
            yield _odd("two-answers", f"{one.step.name} answered {told[one.cause].message.event} twice: {said}", one)


def _undone(told: Sequence[Told]) -> Iterator[Oddity]:
    done = {one.step.name for one in told if one.step and not one.is_refusal}
    for one in told:
        undoes = one.step.undoes if one.step else None
        if undoes is not None and undoes not in done and not _is_excused(told[one.root]):
            yield _odd("undone-undone", f"{one.message.event} undoes {undoes}, which never did anything", one)


def _is_excused(root: Told) -> bool:
    """Whether a clock asked, which cannot know what was done, or the beginning was not seen."""
    return root.message.cause is not None or (root.step is not None and root.step.is_clock)


def _ends(told: Sequence[Told], choreography: Choreography) -> Iterator[Oddity]:
    end: Told | None = None
    said: set[str] = set()
    for one in told:
        name, lapsed = one.message.event, choreography.lapsed.get(end.message.event, ()) if end else ()
        if end and one.is_end and name not in (end.message.event, *lapsed, *choreography.following(end.message.event)):
            yield _odd("two-ends", f"the saga ended with {end.message.event}, and again with {name}", one)
        elif end and not one.is_end and name not in lapsed and not _may_follow(one, end, told, said, choreography):
            yield _odd("after-end", f"{name} came after the end, {end.message.event}", one)
        said.add(name)
        if one.is_end and (end is None or name in lapsed):
            end = one


def _may_follow(one: Told, end: Told, told: Sequence[Told], said: set[str], choreography: Choreography) -> bool:
    """Whether an event can come after this end.

    When all is undone, a step that was late refuses, and that is undone again; where somebody has given up what was
    still on its way, that arrives, and is undone as well. When all is done, only what does not lead to the end may
    follow, and what is said again: steps behind the pivot answer every time. And a clock asks when it likes: it may
    hear again that all is done.
    """
    if one.step is None or (one.step.leg is Leg.ASKED and one.is_forward):
        return True
    if end.is_undoing:
        return not one.is_forward or _is_given_up(told[end.root], told, choreography)
    return one.is_forward and (
        one.message.event in said or end.message.event not in choreography.following(one.message.event)
    )


def _is_given_up(root: Told, told: Sequence[Told], choreography: Choreography) -> bool:
    """Whether the way back began from outside, and not because of how far the way out had come."""
    lapse = next((one for one in told if one.step and one.step.kind is Kind.LAPSE), None)
    undone = choreography.steps.get(lapse.step.undoes or "") if lapse and lapse.step else None
    is_outside = root.step is not None and root.step.kind in (Kind.LAPSE, Kind.CALL)
    return is_outside and undone is not None and not any(one.message.event in undone.ends for one in told)


def _odd(kind: str, text: str, one: Told) -> Oddity:
    return Oddity(kind, text, one.message.event_id)
