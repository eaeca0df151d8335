"""Charts."""

from xml.etree import ElementTree

import pytest

from tests.bench.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Chart, Line, svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn(chart: Chart) -> ElementTree.Element:
    """The document of a chart."""
    return ElementTree.fromstring(svg(chart))  # noqa: S314  # made here


def test_every_point_lies_between_the_axes() -> None:
    """Whatever the values are, none is drawn over a label."""
    lines = [Line("a", [(20, 0.4), (900, 37)]), Line("b", [(45, 2), (500, 999)], 1, dashed=True)]

    document = drawn(Chart("t", "x", "y", lines, log_x=True, log_y=True))

    for dot in document.iter(f"{SVG}circle"):
        assert LEFT <= float(dot.attrib["cx"]) <= WIDTH - RIGHT
        assert TOP <= float(dot.attrib["cy"]) <= HEIGHT - BOTTOM


def test_names_are_escaped() -> None:
    """A name is text, whatever characters are in it."""
    document = drawn(Chart("p50 < p99 & so on", "x", "y", [Line("<a>", [(1, 1)])]))

    assert {"p50 < p99 & so on", "<a>"} <= {text.text for text in document.iter(f"{SVG}text")}


@pytest.mark.parametrize(
    ("values", "log", "ticks"),
    [
        ([3.0, 93.0], False, [0, 20, 40, 60, 80, 100]),
        ([1.0, 200.0], True, [1, 2, 5, 10, 20, 50, 100, 200]),
        ([0.03, 0.04], True, [0.02, 0.05]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(values: list[float], log: bool, ticks: list[float]) -> None:
    """A linear axis begins at 0; a logarithmic one has 1, 2 and 5 times the powers of ten."""
    assert Axis.of(values, 0, 1, log=log).ticks == pytest.approx(ticks)
