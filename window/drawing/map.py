"""Map: a choreography as declared, with what its steps do now, as SVG."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from window.choreography import Choreography, Leg, Saga, Step
from window.drawing.arrows import markers
from window.drawing.layout import Layout
from window.drawing.svg import cut, fitting, tag
from window.looks import StepNumbers

GUTTER, BOX, GAP, HIGH, LEVEL, PAD = 98.0, 130.0, 34.0, 56.0, 14.0, 12.0
"""The names of the lanes, a box, the room between two columns, a box's height, between two levels, around a lane"""
_NAME, _NUMBER = 10.2, 9.5
"""Sizes of letters, as in the style sheet"""
_HEIGHTS = {"out": (16.0, 16.0), "refusal": (46.0, 14.0), "back": (28.0, 44.0), "waiting": (28.0, 30.0)}
"""How far down the side of a box an arrow leaves it and enters the next, so that no two kinds run into one"""


@dataclass(frozen=True)
class _Map:
    saga: Saga
    layout: Layout

    @property
    def width(self) -> float:
        return GUTTER + self.layout.columns * (BOX + GAP) - GAP + 12

    @property
    def height(self) -> float:
        return self.top(len(self.saga.services))

    def top(self, lane: int) -> float:
        """Where a lane begins."""
        return sum(self.layout.levels(one) * (HIGH + LEVEL) - LEVEL + 2 * PAD for one in range(lane))

    def corner(self, step: Step) -> tuple[float, float]:
        """The left upper corner of the box of a step."""
        spot = self.layout.spots[step.name]
        return GUTTER + spot.column * (BOX + GAP), self.top(spot.lane) + PAD + spot.level * (HIGH + LEVEL)


def choreography_map(saga: Saga, choreography: Choreography, numbers: Mapping[str, StepNumbers]) -> Markup:
    """The map of one saga."""
    drawn = _Map(saga, Layout(saga))
    parts = [
        *_lanes(drawn),
        *_arrows(drawn, choreography),
        *(_box(drawn, step, numbers.get(step.name)) for step in saga.steps),
    ]
    return tag(
        "svg",
        markers(),
        *parts,
        class_="map",
        viewBox=f"0 0 {drawn.width:.0f} {drawn.height:.0f}",
        width=drawn.width,
        height=drawn.height,
        role="img",
        aria_label=f"Map of the saga {saga.name}; the table of its steps says the same",
    )


def _lanes(drawn: _Map) -> Iterator[Markup]:
    for lane, service in enumerate(drawn.saga.services):
        y = drawn.top(lane)
        if lane:
            yield tag("line", class_="border", x1=0, x2=drawn.width, y1=y, y2=y)
        yield tag("text", cut(service, 11), class_="lane", x=12, y=y + PAD + 18)


def _arrows(drawn: _Map, choreography: Choreography) -> Iterator[Markup]:
    for step in drawn.saga.steps:
        for event in step.says:
            for hearer in choreography.hearing(event):
                if hearer.name in drawn.layout.spots:
                    yield _arrow(drawn, step, hearer, event, is_refusal=choreography.is_refusal(event, step))


def _arrow(drawn: _Map, step: Step, hearer: Step, event: str, *, is_refusal: bool) -> Markup:
    """From a step to one that hears it: along the way out to the right, on the way back to the left."""
    kind = _kind(step, hearer, is_refusal=is_refusal)
    return tag(
        "path",
        tag("title", f"{event}: {step.name} to {hearer.name}"),
        class_=f"cause {kind}",
        d=_path(drawn.corner(step), drawn.corner(hearer), kind),
        marker_end=f"url(#arrow-{kind})",
    )


def _kind(step: Step, hearer: Step, *, is_refusal: bool) -> str:
    if step.leg is Leg.ASKED or hearer.leg is Leg.ASKED:
        return "waiting"
    return "refusal" if is_refusal else "back" if step.leg is Leg.BACK else "out"


def _path(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    (x, y), (to_x, to_y) = start, end
    leave, enter = _HEIGHTS[kind]
    if abs(x - to_x) < 1:
        down = to_y > y
        return f"M{x + BOX / 2:.1f} {y + (HIGH if down else 0):.1f} V{to_y + (-2 if down else HIGH + 2):.1f}"
    goes_right = to_x > x
    from_x, at_x = (x + BOX, to_x - 2) if goes_right else (x, to_x + BOX + 2)
    bend = min(abs(at_x - from_x) / 2, 60) * (1 if goes_right else -1)
    return (
        f"M{from_x:.1f} {y + leave:.1f} "
        f"C{from_x + bend:.1f} {y + leave:.1f} {at_x - bend:.1f} {to_y + enter:.1f} {at_x:.1f} {to_y + enter:.1f}"
    )


def _box(drawn: _Map, step: Step, numbers: StepNumbers | None) -> Markup:
    x, y = drawn.corner(step)
    lines, room = _lines(step, numbers), fitting(BOX - 10, _NUMBER)
    return tag(
        "g",
        tag("title", f"{step.name}: {'; '.join(text for text, _ in lines)}"),
        tag("rect", class_="box", x=x, y=y, width=BOX, height=HIGH, rx=6.0),
        tag("text", cut(step.name, fitting(BOX - 12, _NAME)), class_="name", x=x + 7, y=y + 15),
        *(
            tag("text", cut(text, room), class_=f"numbers {mood}", x=x + 7, y=y + 27 + 11.5 * line)
            for line, (text, mood) in enumerate(lines)
        ),
        class_=" ".join(["node", step.leg.value, *(["trouble"] if any(mood for _, mood in lines) else [])]),
    )


def _lines(step: Step, numbers: StepNumbers | None) -> Sequence[tuple[str, str]]:
    """Up to three lines about a step, each with `bad` where it calls for somebody."""
    rate = f"{numbers.rate:.1f}/s" if numbers else "no rate"
    took = f", {numbers.milliseconds:.0f} ms" if numbers and numbers.milliseconds is not None else ""
    lines = [(rate + took, "")]
    if step.hears_nothing:
        return [*lines, ("by the clock" if step.is_clock else "from outside", "")]
    if numbers is not None and numbers.backlog is not None:
        lines.append(_queue(numbers.backlog, numbers.consumers))
    aside = _aside(numbers)
    return [*lines, (aside, "bad")] if aside else lines


def _queue(backlog: int, consumers: int | None) -> tuple[str, str]:
    if consumers == 0:
        return f"{backlog} queued, no cons.", "bad"
    return f"{backlog} queued" + (f", {consumers} cons." if consumers is not None else ""), ""


def _aside(numbers: StepNumbers | None) -> str:
    if numbers is None:
        return ""
    counts = ((numbers.retrying, "rest"), (numbers.parked, "parked"))
    return ", ".join(f"{count} {what}" for count, what in counts if count)
