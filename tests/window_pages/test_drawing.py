"""Drawings: where things stand, and what they are made of."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from tests.window import sagas
from tests.window_pages.fakes import CHOREOGRAPHY, hour
from window.drawing import hour as hours
from window.drawing.layout import Layout
from window.drawing.map import choreography_map
from window.drawing.rows import rows
from window.drawing.sequence import sequence
from window.drawing.svg import cut, tag
from window.message import Message
from window.pages.words import elapsed, lasting
from window.telling import tell

NOW = sagas.BEGUN + timedelta(seconds=14)


def drawn(messages: list[Message]) -> ElementTree.Element:
    """The drawing of a saga, read as XML."""
    story = tell(messages, CHOREOGRAPHY, NOW)
    return ElementTree.fromstring(sequence(story, CHOREOGRAPHY.services, "/sagas/x"))  # noqa: S314  # it is ours


def boxes(picture: ElementTree.Element) -> dict[str, tuple[float, float]]:
    """Where the box of each event stands."""
    return {
        one.findtext("text[@class='event']", ""): (float(rect.get("x", "")), float(rect.get("y", "")))
        for one in picture.iter("a")
        if (rect := one.find("rect")) is not None
    }


def test_tag() -> None:
    """Text and values are escaped; markup that was made before is not escaped again."""
    assert tag("a", tag("b", "<&"), href="\"'>") == '<a href="&#34;&#39;&gt;"><b>&lt;&amp;</b></a>'
    assert cut("\x1babc", 5) == "\\x1b…"


@pytest.mark.parametrize("fails_at", [None, *sagas.REFUSING])
def test_time_runs_down(fails_at: str | None) -> None:
    """Every event stands below its cause, and what undoes stands right of what it undoes."""
    messages = sagas.checkout(fails_at=fails_at)
    where = boxes(drawn(messages))
    by_id = {one.event_id: one for one in messages}
    for message in messages:
        if message.cause:
            assert where[message.event][1] > where[by_id[message.cause].event][1]
    if fails_at == "seat.reserve":
        assert where["point.refunded"][0] > where["point.spent"][0]


def test_boxes_do_not_touch() -> None:
    """No box covers another one, however close in time they are."""
    messages = [replace(one, occurred_at=sagas.BEGUN) for one in sagas.checkout(fails_at="seat.reserve")]
    heights = sorted(y for _, y in boxes(drawn(messages)).values())
    assert all(later - earlier > 40 for earlier, later in pairwise(heights))


def test_silence() -> None:
    """More time leaves more room, and a long silence breaks the axis."""
    story = tell(sagas.hold(lapses=True), CHOREOGRAPHY, NOW)
    found = rows(story, 0)
    assert [row.is_after_break for row in found].count(True) == 1
    assert "5 min later" in sequence(story, CHOREOGRAPHY.services, "")


def test_clocks_apart() -> None:
    """A service whose clock is behind does not turn the picture upside down."""
    messages = sagas.checkout()
    messages[2] = replace(messages[2], occurred_at=messages[2].occurred_at - timedelta(minutes=1))
    where = boxes(drawn(messages))
    assert where["payment.paid"][1] > where["reservation.confirmed"][1] > where["point.spent"][1]


def test_unknown_service() -> None:
    """An event of a service that nobody knows has a lane of its own."""
    messages = sagas.checkout()
    messages.append(replace(messages[-1], event="x.y", service="stranger", event_id=sagas.named("x"), cause=None))
    assert "stranger" in {one.text for one in drawn(messages).iter("text") if one.get("class") == "lane"}


@pytest.mark.parametrize("saga", CHOREOGRAPHY.sagas.values(), ids=lambda saga: saga.name)
def test_layout(saga: object) -> None:
    """A step stands right of those that it follows, and in the column of what it undoes or tells; none overlap."""
    layout = Layout(saga)  # type: ignore[arg-type]  # a saga
    spots = layout.spots
    assert len(set(spots.values())) == len(spots)
    for step in layout.saga.out:
        for other in layout.saga.out:
            if set(other.says) & set(step.hears):
                assert spots[step.name].column > spots[other.name].column
    for step in layout.saga.back:
        told = {one.name for one in layout.saga.back if set(one.says) & set(step.hears)}
        assert spots[step.name].column in {spots[one].column for one in ({step.undoes} if step.undoes else told)}


@pytest.mark.parametrize("saga", CHOREOGRAPHY.sagas.values(), ids=lambda saga: saga.name)
def test_map(saga: object) -> None:
    """The map has a box for each step, and an arrow for each event that a step of the same saga hears."""
    picture = choreography_map(saga, CHOREOGRAPHY, {})  # type: ignore[arg-type]  # a saga
    root = ElementTree.fromstring(picture)  # noqa: S314  # it is ours
    steps = saga.steps  # type: ignore[attr-defined]  # a saga
    assert len(root.findall("g/rect")) == len(steps)
    heard = sum(hearer in steps for step in steps for event in step.says for hearer in CHOREOGRAPHY.hearing(event))
    assert len(re.findall(r'class="cause \w+"', picture)) == heard
    assert 'class="cause refusal"' in picture


def test_map_of_a_circle() -> None:
    """A way out that hears itself is drawn all the same."""
    saga = CHOREOGRAPHY.sagas["checkout"]
    first = replace(saga.out[0], hears=("checkout.completed",))
    assert Layout(replace(saga, out=(first, *saga.out[1:]))).columns <= len(saga.out) + 1


def test_chart() -> None:
    """A minute without a value leaves a hole, the largest one reaches the top, and no minutes draw nothing."""
    minutes = hour(datetime(2026, 3, 1, tzinfo=UTC))
    picture = hours.chart(minutes, hours.LATENCY, "x")
    assert len(re.findall(r"M[\d.]+ [\d.]+", picture)) == 2
    assert hours.peak(minutes, hours.THROUGHPUT) == 252
    assert 'd=""' in hours.chart([], hours.LATENCY, "x")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.012, "12 ms"), (1.2, "1.20 s"), (59.94, "59.9 s"), (123, "2 min 3 s"), (7200, "2 h"), (273600, "3 d 4 h")],
)
def test_lasting(seconds: float, words: str) -> None:
    """A length of time is told in the units that matter."""
    assert lasting(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.02, "+20 ms"), (300.04, "+5:00.040"), (-0.5, f"{chr(0x2212)}500 ms")]
)
def test_elapsed(seconds: float, words: str) -> None:
    """A time since the start tells two rows apart also after minutes."""
    assert elapsed(timedelta(seconds=seconds)) == words
