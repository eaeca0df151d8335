"""Rows: a story from top to bottom, each thing that happened on a line of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log10

from window.story import Attempt, Happening, Story, Wait

GAP = timedelta(seconds=1)
"""From here on a silence is drawn as a break in the axis"""
_TIGHT, _LOOSE, _BREAK = 50.0, 26.0, 34.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the picture: a happening, a failed attempt or a wait, and how far down it is."""

    y: float
    at: datetime
    gap: timedelta
    """Since the row above it"""
    what: Happening | Attempt | Wait
    number: int | None = None
    """The index of the happening"""

    @property
    def is_after_break(self) -> bool:
        """Whether so much time has passed that the axis is broken."""
        return self.gap >= GAP


def rows(story: Story, top: float) -> Sequence[Row]:
    """All rows of a story in causal order; more time leaves more room, on a logarithmic scale."""
    found: list[Row] = []
    y, before = top, story.begun_at
    for at, what, number in _all(story):
        gap = max(at - before, timedelta())
        y += _room(gap) if found else 0
        found.append(Row(y, at, gap if found else timedelta(), what, number))
        before = max(at, before)
    return found


def _all(story: Story) -> Iterator[tuple[datetime, Happening | Attempt | Wait, int | None]]:
    for number, happening in enumerate(story.happenings):
        yield from ((attempt.at, attempt, None) for attempt in happening.attempts)
        yield happening.message.occurred_at, happening, number
    last = max((happening.message.occurred_at for happening in story.happenings), default=story.last_at)
    for wait in story.waits:
        yield from ((attempt.at, attempt, None) for attempt in wait.attempts)
        yield max([last, *(attempt.at for attempt in wait.attempts)]), wait, None


def _room(gap: timedelta) -> float:
    """How far a row is below the one above."""
    milliseconds = gap.total_seconds() * 1000
    return _TIGHT + min(_LOOSE, 6 * log10(1 + milliseconds)) + (_BREAK if gap >= GAP else 0)
