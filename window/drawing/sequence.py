"""Sequence: the timeline of a saga across the lanes of its services, as SVG."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from markupsafe import Markup

from window.drawing.arrows import arrows, bracket, markers
from window.drawing.boxes import box
from window.drawing.lanes import AXIS, BOX, HIGH, Drawn, lanes, undoes
from window.drawing.rows import Row
from window.drawing.svg import cut, tag
from window.pages.words import clock, elapsed, lasting, moment
from window.story import Story, Wait


def sequence(story: Story, services: Sequence[str], base: str) -> Markup:
    """The picture of a story; lanes stand in the order of the services, and events link to pages below `base`."""
    drawn = Drawn(story, lanes(story, services), base)
    parts = [
        *_heads(drawn),
        *_axis(drawn),
        *(arrow for row in drawn.rows for arrow in arrows(drawn, row)),
        *(bracket(drawn, row) for row in drawn.rows if undoes(row) is not None),
        *(box(drawn, row) for row in drawn.rows),
        *_deadline(drawn),
    ]
    height = drawn.bottom + 30
    return tag(
        "svg",
        markers(),
        *parts,
        class_="sequence",
        viewBox=f"0 0 {drawn.width:.0f} {height:.0f}",
        width=drawn.width,
        height=height,
        role="group",
        aria_label=f"Timeline of the saga across {', '.join(drawn.lanes)}",
    )


def _heads(drawn: Drawn) -> Iterator[Markup]:
    for lane in drawn.lanes:
        x = drawn.left(lane) + BOX / 2
        yield tag("line", class_="lifeline", x1=x, x2=x, y1=34.0, y2=drawn.bottom)
        yield tag("text", cut(lane, 22), class_="lane", x=x, y=22.0, text_anchor="middle")


def _axis(drawn: Drawn) -> Iterator[Markup]:
    yield tag("line", class_="axis", x1=AXIS - 12, x2=AXIS - 12, y1=34.0, y2=drawn.bottom)
    for row in drawn.rows:
        if row.is_after_break:
            yield from _break(drawn, row)
        if not isinstance(row.what, Wait):
            yield _tick(drawn.story.begun_at, row)


def _tick(begun: datetime, row: Row) -> Markup:
    return tag(
        "g",
        tag("title", f"{moment(row.at)} UTC"),
        tag("circle", class_="tick", cx=AXIS - 12, cy=row.y + HIGH / 2, r=2.5),
        tag(
            "text",
            elapsed(row.at - begun),
            class_="time",
            x=AXIS - 20,
            y=row.y + HIGH / 2 + 4,
            text_anchor="end",
        ),
    )


def _break(drawn: Drawn, row: Row) -> Iterator[Markup]:
    """A silence: the axis is broken, and a line across says how long it lasted."""
    y = row.y - 30
    yield tag("rect", class_="hole", x=AXIS - 15, y=y - 5, width=6.0, height=10.0)
    yield tag("path", class_="break", d=f"M{AXIS - 17:.0f} {y - 3:.0f} l10 -4 M{AXIS - 17:.0f} {y + 7:.0f} l10 -4")
    yield tag("line", class_="silence", x1=AXIS - 2, x2=drawn.width - 8, y1=y, y2=y)
    yield tag("text", f"{lasting(row.gap)} later", class_="silent", x=AXIS + 2, y=y - 5)


def _deadline(drawn: Drawn) -> Iterator[Markup]:
    """A line below all that happened before the deadline."""
    deadline = drawn.story.deadline
    if deadline is None:
        return
    later = next((row for row in drawn.rows if row.at > deadline), None)
    y = later.y - 10 if later else drawn.bottom + 4
    since = lasting(deadline - drawn.story.begun_at)
    words = f"deadline {clock(deadline)[:8]} (+{since})"
    yield tag("line", class_="deadline", x1=AXIS - 18, x2=drawn.width - 8, y1=y, y2=y)
    yield tag("text", words, class_="due", x=drawn.width - 10, y=y + 14 if not later else y - 4, text_anchor="end")
