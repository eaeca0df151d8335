"""The page of one saga, its events, and what may be copied."""

import json
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from uuid import uuid4

import pytest

from tests.window import sagas
from tests.window_pages.browsing import LINKS, browser
from tests.window_pages.fakes import FakeLooks
from window.looks import StepNumbers
from window.message import Message
from window.pages.view import Links

HOSTILE = "<script>alert(1)</script>\"'>\x1b[31m\u202eevil\u2066&amp;" + "x" * 5000
"""What a message might say to be obeyed: markup, quotes, signs of a terminal, signs that turn text round, and much"""


class Elements(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))


def page_of(messages: list[Message]) -> str:
    """The address of the page of a saga."""
    return f"/sagas/{messages[0].saga_id}"


async def test_completed() -> None:
    """A saga that completed shows each event once in the drawing and once in the table, and waits for nothing."""
    messages = sagas.checkout()
    answer = await browser(FakeLooks(messages)).get(page_of(messages))
    assert answer.status_code == 200
    assert "completed" in answer.text
    for message in messages:
        assert answer.text.count(f'href="{page_of(messages)}/events/{message.event_id}"') == 2
    assert "has not answered" not in answer.text
    assert 'data-stream=""' in answer.text


async def test_refused() -> None:
    """A saga that was refused ties each compensation to what it undoes, and tells the reason."""
    messages = sagas.checkout(fails_at="seat.reserve")
    answer = await browser(FakeLooks(messages)).get(page_of(messages))
    assert answer.text.count('class="bracket"') == 4
    assert "payment.reverted undoes payment.paid" in answer.text
    assert "seat-withdrawn" in answer.text
    assert "✕" in answer.text


async def test_waits() -> None:
    """A saga that waits says for which step, what its queue holds, and where to look at the queue; it is live."""
    messages = sagas.checkout()[:4]
    looks = FakeLooks(messages, numbers={"seat.reserve": StepNumbers(0, 312, 0, 0, 0, None)})
    answer = await browser(looks).get(page_of(messages))
    assert "seat.reserve has not answered payment.paid" in answer.text
    assert "holds 312 messages and has no consumer" in answer.text
    assert 'href="http://rabbit/ui/#/queues/%2F/seat.reserve"' in answer.text
    assert f'data-stream="/live{page_of(messages)}"' in answer.text


async def test_parked() -> None:
    """Failed attempts stand where they happened, with their errors."""
    messages = sagas.checkout()[:3]
    aside = [
        sagas.rests(messages[-1], "payment.pay", error="LockNotAvailableError: busy"),
        sagas.parked(messages[-1], "payment.pay", attempt=2, after=6),
    ]
    answer = await browser(FakeLooks([*messages, *aside])).get(page_of(messages))
    assert "payment.pay failed, attempt 1, again in 5s" in answer.text
    assert "payment.pay failed, attempt 2, parked" in answer.text
    assert "5.90 s later" in answer.text


async def test_trace() -> None:
    """The trace of a saga is linked where its messages name one, and where there is a place to look at it."""
    messages = [replace(one, traceparent=f"00-{'a' * 32}-{'b' * 16}-01") for one in sagas.checkout()]
    with_traces = await browser(FakeLooks(messages)).get(page_of(messages))
    without = await browser(FakeLooks(messages), Links()).get(page_of(messages))
    assert f'href="http://traces/{"a" * 32}"' in with_traces.text
    assert "Trace" not in without.text


@pytest.mark.parametrize("hostile", [HOSTILE, "</svg><script src=//evil></script>", "' onload='x"])
async def test_escaping(hostile: str) -> None:
    """Whatever a message says, it adds no element, no handler and no sign that a reader cannot see."""
    tame, wild = sagas.checkout(), sagas.checkout()
    wild[1] = replace(wild[1], event=hostile, headers={hostile: hostile}, body=hostile, service=hostile)
    wild.append(replace(sagas.rests(wild[2], "payment.pay", error=hostile), delay=hostile))
    wild.append(sagas.parked(wild[3], hostile))
    client = browser(FakeLooks(wild))
    for path in (page_of(wild), f"{page_of(wild)}/events/{wild[1].event_id}", "/parked", "/", "/sagas"):
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert not any(sign in answer.text for sign in "\x1b\u202e\u2066")
        elements = Elements(answer.text).found
        assert not [one for one in elements if one[0] == "script" and not (one[1]["src"] or "").startswith("/static/")]
        assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]
    expected = await browser(FakeLooks(tame)).get(page_of(tame))
    assert "<script>alert" not in expected.text


async def test_event() -> None:
    """An event shows its version, headers and body, who hears it, and links to its published schema."""
    messages = sagas.checkout()
    client = browser(FakeLooks(messages))
    answer = await client.get(f"{page_of(messages)}/events/{messages[1].event_id}")
    assert "version 1" in answer.text
    assert "&#34;amount&#34;: 300" in answer.text
    assert "ce-type" in answer.text
    assert ">reservation.confirm</a>" in answer.text
    schema = await client.get("/schemas/point.spent.v1.schema.json")
    assert 'href="/schemas/point.spent.v1.schema.json"' in answer.text
    assert schema.json()["properties"]["amount"]


async def test_unseen() -> None:
    """A saga, an event or a schema that nobody has seen is a 404 that says why that may be."""
    messages = sagas.checkout()
    client = browser(FakeLooks(messages))
    for path in (f"/sagas/{uuid4()}", f"{page_of(messages)}/events/{uuid4()}"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert "older than what the window keeps" in answer.text
    for path in (
        f"/sagas/{uuid4()}.txt",
        "/schemas/..%2f..%2fx.v1.schema.json",
        "/schemas/x.v1.schema.json",
    ):
        assert (await client.get(path)).status_code == 404


async def test_copies() -> None:
    """A timeline is there as text, JSON and Mermaid."""
    messages = sagas.checkout()
    client = browser(FakeLooks(messages))
    text, data, diagram = [await client.get(f"{page_of(messages)}.{one}") for one in ("txt", "json", "mmd")]
    assert "point.spent" in text.text
    assert json.loads(data.text)["saga_id"] == str(messages[0].saga_id)
    assert diagram.text.startswith("sequenceDiagram")


async def test_live() -> None:
    """The stream of a saga signals that it has moved, and says when nothing more is to be expected."""
    messages = sagas.checkout()
    answer = await browser(FakeLooks(messages)).get(f"/live{page_of(messages)}")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [line for line in answer.text.splitlines() if line.startswith("event:")] == ["event: moved", "event: over"]


async def test_live_without_end() -> None:
    """The stream of a saga that waits signals once while nothing happens, and ends for its reader to ask again."""
    messages = sagas.checkout()[:4]
    looks = FakeLooks(messages, now=sagas.BEGUN + timedelta(seconds=1))
    answer = await browser(looks).get(f"/live{page_of(messages)}")
    assert answer.text.count("event: moved") == 1
    assert looks.moves > 2


async def test_findings_out_of_reach() -> None:
    """A page is there although nobody can tell what conservation says."""

    class Broken(FakeLooks):
        async def audit(self) -> list[object]:  # type: ignore[override]  # it never answers
            raise OSError

    messages = sagas.checkout()
    answer = await browser(Broken(messages), LINKS).get(page_of(messages))
    assert answer.status_code == 200
    assert "not known just now" in answer.text
