"""Arrows: what caused what, and what undoes what."""

from collections.abc import Iterator

from markupsafe import Markup

from window.drawing.lanes import BOX, HIGH, Drawn, is_back, undoes, where
from window.drawing.rows import Row
from window.drawing.svg import tag
from window.story import Attempt, Happening, Wait


def arrows(drawn: Drawn, row: Row) -> Iterator[Markup]:
    """What caused this row: along from the cause, then down to it."""
    cause = _cause(drawn, row)
    if cause is None or not isinstance(cause.what, Happening):
        return
    back = is_back(cause.what), is_back(row.what)
    start = drawn.left(cause.what.message.service, back=back[0])
    target = drawn.left(where(row.what), back=back[1])
    kind = "cause" + _colour(cause.what, row.what)
    end = (row.y if not isinstance(row.what, Attempt) else row.y + 5) - 2
    if where(row.what) == cause.what.message.service:
        x = max(start, target) + 18
        yield tag("path", class_=kind, d=f"M{x:.1f} {cause.y + HIGH:.1f} V{end:.1f}", marker_end=_marker(kind))
        return
    goes_right = target > start
    x = target + (30 if goes_right else BOX - 46)
    from_x = start + BOX if goes_right else start
    y, bend = cause.y + HIGH / 2, 8 if goes_right else -8
    path = f"M{from_x:.1f} {y:.1f} H{x - bend:.1f} Q{x:.1f} {y:.1f} {x:.1f} {y + 8:.1f} V{end:.1f}"
    yield tag("path", class_=kind, d=path, marker_end=_marker(kind))


def _cause(drawn: Drawn, row: Row) -> Row | None:
    if isinstance(row.what, Happening):
        return drawn.of.get(row.what.cause) if row.what.cause is not None else None
    heard = row.what.event_id
    for other in drawn.of.values():
        if isinstance(other.what, Happening) and other.what.message.event_id == heard:
            return other
    return None


def _colour(cause: Happening, what: Happening | Attempt | Wait) -> str:
    if not isinstance(what, Happening):
        return " waiting"
    if cause.is_refusal or is_back(cause):
        return " back"
    return ""


def _marker(kind: str) -> str:
    return f"url(#arrow-{kind.partition(' ')[2] or 'out'})"


def markers() -> Markup:
    """The heads of arrows."""

    def marker(name: str) -> Markup:
        return tag(
            "marker",
            tag("path", d="M0 0 L7 3.5 L0 7 z", class_=f"head {name}"),
            id=f"arrow-{name}",
            markerWidth=7.0,
            markerHeight=7.0,
            refX=6.0,
            refY=3.5,
            orient="auto",
            markerUnits="userSpaceOnUse",
        )

    return tag("defs", *(marker(name) for name in ("out", "back", "waiting", "refusal")))


def bracket(drawn: Drawn, row: Row) -> Markup:
    """Ties what is undone to what undoes it, along the right of their lane."""
    undone = drawn.of.get(undoes(row) or 0)
    if undone is None or not isinstance(undone.what, Happening) or not isinstance(row.what, Happening):
        return Markup("")
    top = drawn.left(undone.what.message.service) + BOX
    end = drawn.left(row.what.message.service, back=True) + BOX
    x = max(top, end) + 6 + 5 * _nested(drawn, undone, row)
    path = (
        f"M{top + 1:.1f} {undone.y + 26:.1f} H{x - 5:.1f} q5 0 5 5 V{row.y + HIGH / 2 - 5:.1f} q0 5 -5 5 H{end + 1:.1f}"
    )
    title = f"{row.what.message.event} undoes {undone.what.message.event}"
    return tag("path", tag("title", title), class_="bracket", d=path)


def _nested(drawn: Drawn, undone: Row, row: Row) -> int:
    """How many brackets of the same lane stand within this one."""
    lane = where(row.what)
    inner = [one for one in drawn.rows if undoes(one) is not None and where(one.what) == lane and one.y < row.y]
    return sum(drawn.of[undoes(one) or 0].y > undone.y for one in inner if (undoes(one) or 0) in drawn.of)
