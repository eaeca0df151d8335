"""A line chart as SVG, which every browser and every README shows."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 800, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 240, 56, 50
MAX_DOTS = 12
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colours that people with any colour vision can tell apart (Okabe and Ito)"""
TICKS = 6
STYLE = "text{font:12px sans-serif;fill:#333}.title{font-size:15px}.grid{stroke:#ddd}"

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """Points that belong together, in the order in which they are joined."""

    name: str
    points: Sequence[Point]
    colour: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over one pair of axes, linear unless they are said to be logarithmic."""

    title: str
    x_name: str
    y_name: str
    lines: Sequence[Line]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Axis:
    """Where values stand between two ends of the drawing; a logarithmic one shows powers of ten and what is between."""

    ticks: Sequence[float]
    log: bool
    begin: float
    end: float

    @classmethod
    def of(cls, values: Sequence[float], begin: float, end: float, *, log: bool) -> "Axis":
        """An axis that all the values are on."""
        ticks = list(_log_ticks(min(values), max(values)) if log else _ticks(max(values)))
        return cls(ticks, log, begin, end)

    def place(self, value: float) -> float:
        """Where a value stands."""
        scale: Callable[[float], float] = math.log10 if self.log else float
        low, high = scale(self.ticks[0]), scale(self.ticks[-1])
        return self.begin + (scale(value) - low) / (high - low) * (self.end - self.begin)


def svg(chart: Chart) -> str:
    """The chart as an SVG document."""
    points = [point for line in chart.lines for point in line.points]
    across = Axis.of([x for x, _ in points], LEFT, WIDTH - RIGHT, log=chart.log_x)
    up = Axis.of([y for _, y in points], HEIGHT - BOTTOM, TOP, log=chart.log_y)
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>',
        '<rect width="100%" height="100%" fill="white"/>',
        _text(LEFT, 22, chart.title, 'class="title"'),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, chart.x_name, 'text-anchor="middle"'),
        _text(14, TOP - 8, chart.y_name),
        *_grid(across, up),
        *(part for number, line in enumerate(chart.lines) for part in _line(line, number, across, up)),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _grid(across: Axis, up: Axis) -> Iterator[str]:
    for tick in across.ticks:
        x = across.place(tick)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        yield _text(x, HEIGHT - BOTTOM + 18, f"{tick:,g}", 'text-anchor="middle"')
    for tick in up.ticks:
        y = up.place(tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 8, y + 4, f"{tick:,g}", 'text-anchor="end"')


def _line(line: Line, number: int, across: Axis, up: Axis) -> Iterator[str]:
    colour = COLOURS[line.colour % len(COLOURS)]
    places = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in line.points)
    dashes = ' stroke-dasharray="6 4"' if line.dashed else ""
    drawn = f'fill="none" stroke="{colour}" stroke-width="2"{dashes}'
    yield f'<polyline points="{places}" {drawn}/>'
    for x, y in line.points if len(line.points) <= MAX_DOTS else ():
        yield f'<circle cx="{across.place(x):.1f}" cy="{up.place(y):.1f}" r="3" fill="{colour}"/>'
    y = TOP + 10 + 20 * number
    yield f'<polyline points="{WIDTH - RIGHT + 15},{y} {WIDTH - RIGHT + 45},{y}" {drawn}/>'
    yield _text(WIDTH - RIGHT + 52, y + 4, line.name)


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'


def _ticks(highest: float) -> Iterator[float]:
    """Round values from 0 to the first that is not below the highest."""
    rough = max(highest, 1e-9) / TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return (step * number for number in range(math.ceil(highest / step) + 1))


def _log_ticks(lowest: float, highest: float) -> list[float]:
    """Values of the form 1, 2 or 5 times a power of ten, from one not above the lowest to one not below the highest."""
    powers = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    values = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    low = max(value for value in values if value <= lowest)
    high = min(value for value in values if value >= highest)
    return [value for value in values if low <= value <= high]
