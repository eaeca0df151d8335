"""Boxes: what happened, what failed and what is waited for, each on the lane of its service."""

from collections.abc import Sequence

from markupsafe import Markup

from window.drawing.lanes import BOX, HIGH, Drawn, is_back, service_of
from window.drawing.rows import Row
from window.drawing.svg import cut, fitting, tag
from window.pages.words import clock
from window.story import Attempt, Happening, Wait

_EVENT, _STEP, _ERROR = 11.5, 10.5, 10.0
"""Sizes of letters, as in the style sheet"""


def box(drawn: Drawn, row: Row) -> Markup:
    """The box of a row."""
    if isinstance(row.what, Happening):
        return _happening(drawn, row, row.what)
    if isinstance(row.what, Attempt):
        return _attempt(drawn, row, row.what)
    return _wait(drawn, row, row.what)


def _happening(drawn: Drawn, row: Row, one: Happening) -> Markup:
    x, name = drawn.left(one.message.service, back=is_back(one)), _described(one)
    return tag(
        "a",
        tag("title", name),
        tag("rect", class_="box", x=x, y=row.y, width=BOX, height=HIGH, rx=6.0),
        *_written(one, x, row.y),
        class_=" ".join(["happening", *_kinds(one)]),
        href=f"{drawn.base}/events/{one.message.event_id}",
        data_event=one.message.event_id,
        aria_label=name,
    )


def _described(one: Happening) -> str:
    """The happening in words, for those who do not see it."""
    message = one.message
    said = f"{message.event}, said by {one.step or message.service} at {clock(message.occurred_at)}"
    return "; ".join([said, *_kinds(one), *([f"said {one.copies} times"] if one.copies > 1 else [])])


def _written(one: Happening, x: float, y: float) -> Sequence[Markup]:
    """The event, the step that said it, and signs for those who do not see the colours."""
    step = one.step or "from outside"
    sign = "✕" if one.is_refusal else "■" if one.is_end else ""
    room = BOX - (22 if sign else 12)
    copies = f"{one.copies} times" if one.copies > 1 else ""
    return [
        tag("text", cut(one.message.event, fitting(room, _EVENT)), class_="event", x=x + 8, y=y + 15),
        tag("text", sign, class_="sign", x=x + BOX - 6, y=y + 15, text_anchor="end"),
        tag("text", cut(f"↶ {step}" if one.undoes is not None else step, 24), class_="step", x=x + 8, y=y + 29),
        tag("text", copies, class_="copies", x=x + BOX - 8, y=y + 29, text_anchor="end"),
    ]


def _kinds(one: Happening) -> Sequence[str]:
    kinds = {"refusal": one.is_refusal, "back": is_back(one), "end": one.is_end}
    return [kind for kind, holds in kinds.items() if holds]


def _attempt(drawn: Drawn, row: Row, one: Attempt) -> Markup:
    x = drawn.left(service_of(one.step))
    room = fitting(BOX - 22, _ERROR)
    then = f"again in {one.delay}" if one.delay else "parked"
    return tag(
        "g",
        tag("title", f"{one.step} failed, attempt {one.number}: {cut(one.error, 1000)}"),
        tag("rect", class_="chip", x=x, y=row.y + 3, width=BOX, height=HIGH - 6, rx=15.0),
        tag("text", cut(f"✕ {one.number}. {one.step}", room), class_="failure", x=x + 12, y=row.y + 16),
        tag("text", cut(f"{then}: {one.error}", room), class_="error", x=x + 12, y=row.y + 28),
        class_="attempt" if one.delay else "attempt parked",
    )


def _wait(drawn: Drawn, row: Row, one: Wait) -> Markup:
    x = drawn.left(service_of(one.step))
    words = "is parked: needs a person" if one.is_parked else f"waits since {clock(one.since)[:8]}"
    return tag(
        "g",
        tag("title", f"{one.step} has not answered {one.event}"),
        tag("rect", class_="box", x=x, y=row.y, width=BOX, height=HIGH, rx=6.0),
        tag("text", cut(one.step, fitting(BOX - 14, _EVENT)), class_="event", x=x + 8, y=row.y + 15),
        tag("text", cut(words, fitting(BOX - 14, _STEP)), class_="step", x=x + 8, y=row.y + 29),
        class_="wait parked" if one.is_parked else "wait",
    )
