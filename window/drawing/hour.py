"""Hour: the last sixty minutes as small charts; words and numbers stand around them, so that they may be stretched."""

from collections.abc import Callable, Iterator, Sequence

from markupsafe import Markup

from window.drawing.svg import tag
from window.looks import Minute

WIDE, HIGH = 600.0, 120.0
Line = tuple[str, Callable[[Minute], float | None]]
THROUGHPUT: Sequence[Line] = (
    ("completed", lambda minute: minute.completed),
    ("failed", lambda minute: minute.failed),
)
LATENCY: Sequence[Line] = (("latency", lambda minute: minute.milliseconds),)


def peak(minutes: Sequence[Minute], lines: Sequence[Line]) -> float:
    """The largest value of all lines."""
    return max((value for _, of in lines for one in minutes if (value := of(one)) is not None), default=0.0)


def chart(minutes: Sequence[Minute], lines: Sequence[Line], name: str) -> Markup:
    """The lines, from the oldest minute to the newest; a minute without a value leaves a hole."""
    top = peak(minutes, lines) or 1.0
    return tag(
        "svg",
        *(tag("line", class_="grid", x1=0, x2=WIDE, y1=y, y2=y) for y in (0.5, HIGH / 2, HIGH - 0.5)),
        *(tag("path", class_=f"line {kind}", d=" ".join(_points(minutes, of, top))) for kind, of in lines),
        class_="chart",
        viewBox=f"0 0 {WIDE:.0f} {HIGH:.0f}",
        preserveAspectRatio="none",
        role="img",
        aria_label=name,
    )


def _points(minutes: Sequence[Minute], of: Callable[[Minute], float | None], top: float) -> Iterator[str]:
    width = WIDE / max(1, len(minutes) - 1)
    pen = "M"
    for number, minute in enumerate(minutes):
        value = of(minute)
        if value is None:
            pen = "M"
            continue
        yield f"{pen}{number * width:.1f} {HIGH - 2 - value / top * (HIGH - 4):.1f}"
        pen = "L"
