"""Rendering: a story as text for a terminal, as JSON and as a Mermaid diagram."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from chassis.visible import visible
from window import bodies
from window.looks import StepNumbers
from window.message import Message
from window.story import Attempt, Happening, Oddity, Story, Wait, Way
from window.waits import attempted, sentence

MAX_NAME = 80
MAX_LINE = 200
_PLAIN = frozenset(".,-_ ()/")
_END = re.compile(r"\be(nd)\b", re.IGNORECASE)
Numbers = Mapping[str, StepNumbers]
Delays = Mapping[str, timedelta]


def as_text(story: Story, now: datetime, numbers: Numbers | None = None, delays: Delays | None = None) -> str:
    """The story as aligned lines, without a character that a terminal obeys."""
    return "\n".join(
        (
            _heading(story),
            _times(story),
            "",
            *_timeline(story),
            *(f"waits: {sentence(one, (numbers or {}).get(one.step), now, delays)}" for one in story.waits),
            *(f"odd: {_short(one.text, MAX_LINE)} ({one.kind})" for one in story.oddities),
        )
    )


def as_json(
    story: Story, now: datetime, numbers: Numbers | None = None, delays: Delays | None = None
) -> dict[str, Any]:
    """The story as JSON values; nothing in it is escaped, because JSON is."""
    return {
        "saga_id": str(story.saga_id),
        "saga": story.saga,
        "way": story.way.value,
        "outcome": story.outcome,
        "reason": story.reason,
        "begun_at": _moment(story.begun_at),
        "last_at": _moment(story.last_at),
        "ended_at": _moment(story.ended_at),
        "deadline": _moment(story.deadline),
        "is_late": story.is_late,
        "happenings": [_happening(one) for one in story.happenings],
        "waits": [_wait(one, sentence(one, (numbers or {}).get(one.step), now, delays)) for one in story.waits],
        "oddities": [_oddity(one) for one in story.oddities],
    }


def as_mermaid(story: Story) -> str:
    """The story as a sequence diagram: each event goes from who said it to whoever went on, or is to go on."""
    services = tuple(dict.fromkeys((*map(_service, story.happenings), *(_owner(wait.step) for wait in story.waits))))
    lanes = {service: f"p{number}" for number, service in enumerate(services)}
    lines = ["sequenceDiagram", *(f"    participant {lanes[one]} as {_label(one)}" for one in services)]
    for place, happening in enumerate(story.happenings):
        lines.extend(f"    {line}" for line in _arrows(place, happening, story, lanes))
    return "\n".join(lines)


def _heading(story: Story) -> str:
    took = f" after {_seconds(story.ended_at - story.begun_at)}" if story.ended_at else ""
    end = f": {story.outcome}" if story.outcome else ""
    reason = f" ({story.reason})" if story.reason else ""
    late = ", late" if story.is_late else ""
    return visible(f"{story.saga} {story.saga_id} {story.way.value}{end}{reason}{took}{late}")


def _times(story: Story) -> str:
    deadline = f", deadline {_moment(story.deadline)}" if story.deadline else ""
    return f"begun {_moment(story.begun_at)}{deadline}"


def _timeline(story: Story) -> Iterator[str]:
    rows = [_row(one, story) for one in story.happenings]
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    for happening, row in zip(story.happenings, rows, strict=True):
        for attempt in happening.attempts:
            yield f"{'':{widths[0]}}  {_attempt(attempt)}"
        cells = "  ".join(f"{cell:{'>' if at == 0 else '<'}{widths[at]}}" for at, cell in enumerate(row[:3]))
        yield f"{cells}  {row[3]}".rstrip()


def _row(one: Happening, story: Story) -> tuple[str, str, str, str]:
    mark = "◂" if one.way is Way.BACK else "■" if one.is_end else "▸"
    offset = f"+{_seconds(one.message.occurred_at - story.begun_at)}"
    return (
        offset,
        f"{mark} {_short(one.message.event)}",
        _short(one.step or f"{one.message.service} ?"),
        _notes(one, story),
    )


def _notes(one: Happening, story: Story) -> str:
    notes = []
    if one.is_refusal or one.is_end:
        reason = bodies.text(bodies.fields(one.message.body), bodies.REASON)
        notes.append(f"{'refuses' if one.is_refusal else 'end'}{f': {_short(reason)}' if reason else ''}")
    if one.undoes is not None:
        notes.append(f"undoes {_short(story.happenings[one.undoes].message.event)}")
    if one.reverses is not None:
        notes.append(f"takes back {_short(one.reverses)}")
    if one.copies > 1:
        notes.append(f"said {one.copies} times")
    if one.copies == 0:
        notes.append("seen only when it was tried again")
    return ", ".join(notes)


def _attempt(attempt: Attempt) -> str:
    after = f"again after {_short(attempt.delay)}" if attempt.delay else "parked"
    return f"✗ {_short(attempt.step)} failed ({attempt.number}): {attempted(attempt)}; {after}"


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.3f} s"


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None


def _short(text: str, length: int = MAX_NAME) -> str:
    shown = visible(text)
    return shown if len(shown) <= length else f"{shown[:length]}…"


def _happening(one: Happening) -> dict[str, Any]:
    return {
        **_message(one.message),
        "step": one.step,
        "way": one.way.value,
        "is_refusal": one.is_refusal,
        "is_end": one.is_end,
        "cause": one.cause,
        "undoes": one.undoes,
        "reverses": one.reverses,
        "copies": one.copies,
        "attempts": [_tried(attempt) for attempt in one.attempts],
    }


def _message(one: Message) -> dict[str, Any]:
    return {
        "event_id": str(one.event_id),
        "event": one.event,
        "version": one.version,
        "service": one.service,
        "cause_id": str(one.cause) if one.cause else None,
        "occurred_at": _moment(one.occurred_at),
        "seen_at": _moment(one.seen_at),
        "traceparent": one.traceparent,
        "headers": {str(name): str(value) for name, value in (one.headers or {}).items()},
        "body": one.body,
    }


def _tried(one: Attempt) -> dict[str, Any]:
    return {
        "at": _moment(one.at),
        "step": one.step,
        "event_id": str(one.event_id),
        "number": one.number,
        "delay": one.delay,
        "error": one.error,
    }


def _wait(one: Wait, text: str) -> dict[str, Any]:
    return {
        "step": one.step,
        "event": one.event,
        "event_id": str(one.event_id),
        "since": _moment(one.since),
        "is_parked": one.is_parked,
        "attempts": [_tried(attempt) for attempt in one.attempts],
        "text": text,
    }


def _oddity(one: Oddity) -> dict[str, Any]:
    return {"kind": one.kind, "text": one.text, "event_id": str(one.event_id) if one.event_id else None}


def _arrows(place: int, one: Happening, story: Story, lanes: Mapping[str, str]) -> Iterator[str]:
    sayer, event = lanes[_service(one)], _label(one.message.event)
    yield from (f"Note over {sayer}: {_label(attempted(attempt))}" for attempt in one.attempts)
    on = [_service(effect) for effect in story.happenings if effect.cause == place]
    for target in dict.fromkeys(on):
        yield f"{sayer}{'-->>' if one.way is Way.BACK else '->>'}{lanes[target]}: {event}"
    waiting = [wait for wait in story.waits if wait.event_id == one.message.event_id]
    line = "--)" if one.way is Way.BACK else "-)"
    for wait in waiting:
        yield f"{sayer}{line}{lanes[_owner(wait.step)]}: {event} (not answered by {_label(wait.step)})"
    if not on and not waiting:
        yield f"Note over {sayer}: {event}"


def _service(one: Happening) -> str:
    return _owner(one.step) if one.step else one.message.service


def _owner(step: str) -> str:
    return step.partition(".")[0]


def _label(text: str) -> str:
    """A text in which Mermaid finds nothing to obey."""
    escaped = "".join(one if one.isalnum() or one in _PLAIN else f"#{ord(one)};" for one in text[:MAX_NAME])
    return _END.sub(r"#101;\1", escaped)
