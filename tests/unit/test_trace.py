"""`python -m chassis trace` asks the window, shows what it says, and says what to do where it says nothing."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner, Result

from chassis.cli.app import app

CHECKOUT, HOLD = "01a21cdc-8ea2-70df-bbe1-02361843e3c8", "01a21cdc-8d54-70df-bbe1-02361843e3c8"
SAGAS = [{"saga_id": HOLD, "saga": "hold"}, {"saga_id": CHECKOUT, "saga": "checkout"}]
TEXT = "checkout ended\n\n+0.000 s  ▸ checkout.requested  payment.request"
WAITS = [{"text": "point.spend has not answered"}]
Answer = tuple[int, Any]
Say = Callable[[str, dict[str, str]], Answer]


class FakeWindow:
    """Answers as it is told, and remembers who asked for what."""

    def __init__(self, say: Say) -> None:
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self._say = say

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Its address, while the context lasts."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        window = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                window.asked.append(self.path)
                window.tokens.add(self.headers["authorization"])
                status, body = window._say(url.path, {name: values[0] for name, values in parse_qs(url.query).items()})
                content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def _story(way: str = "ended", waits: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {"saga_id": CHECKOUT, "way": way, "waits": waits or [], "happenings": []}


def knows(path: str, query: dict[str, str]) -> Answer:
    """A window that has seen a checkout of user 7, and the hold before it."""
    if path == "/api/sagas":
        is_known = "7" in (query.get("text"), query.get("user"))
        return 200, {"sagas": [one for one in SAGAS if is_known and query.get("saga") in (None, one["saga"])]}
    found: dict[str, Any] = {
        f"/api/sagas/{CHECKOUT}": _story(),
        f"/api/sagas/{CHECKOUT}/text": TEXT,
        f"/api/sagas/{HOLD}/text": "hold",
        f"/api/sagas/{CHECKOUT}/mermaid": "sequenceDiagram",
    }
    return (200, found[path]) if path in found else (404, {"detail": "no such saga"})


def _run(window: FakeWindow, *arguments: str) -> Result:
    with window.serving() as url:
        return CliRunner().invoke(app, ["trace", *arguments], env={"WINDOW_URL": url, "WINDOW_TOKEN": "secret"})


@pytest.mark.parametrize("arguments", [(CHECKOUT,), ("7",), ("--user", "7"), ("7", "--follow")])
def test_the_newest_checkout_is_shown(arguments: tuple[str, ...]) -> None:
    """Found by its id, or by a user, whose newer hold is left aside; with the operator's token."""
    window = FakeWindow(knows)
    answer = _run(window, *arguments)
    assert (answer.exit_code, answer.output) == (0, f"{TEXT}\n")
    assert window.tokens == {"Bearer secret"}


def test_a_kind_can_be_asked_for() -> None:
    """Then it is the newest of that kind."""
    assert _run(FakeWindow(knows), "7", "--saga", "hold").output == "hold\n"


def test_a_user_is_asked_for_as_such() -> None:
    """A seat of the same number is not meant."""
    window = FakeWindow(knows)
    _run(window, "--user", "7")
    assert window.asked[0] == "/api/sagas?user=7"


@pytest.mark.parametrize(("option", "shown"), [("--mermaid", "sequenceDiagram"), ("--json", '"way": "ended"')])
def test_programs_are_told_in_their_way(option: str, shown: str) -> None:
    """As JSON, or as a diagram."""
    answer = _run(FakeWindow(knows), CHECKOUT, option)
    assert answer.exit_code == 0
    assert shown in answer.output


@pytest.mark.parametrize("name", ["nobody", HOLD, "x" * 500, "\x1b]0;owned\x07"])
def test_what_nobody_knows_is_an_error(name: str) -> None:
    """It is named, without a character that a terminal obeys."""
    answer = _run(FakeWindow(knows), "--", name)
    assert answer.exit_code == 1
    assert "the window has seen nothing that has to do with" in answer.output
    assert "\x1b" not in answer.output


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_believed_is_said_how_to_replace(status: int) -> None:
    """It may have ended; one command makes another."""
    answer = _run(FakeWindow(lambda *_: (status, {})), "7")
    assert answer.exit_code == 2
    assert "export WINDOW_TOKEN=$(make -s token USER=me SCOPE=operator)" in answer.output
    assert "secret" not in answer.output


@pytest.mark.parametrize("answer", [(500, {}), (503, {}), (200, "<html>"), (200, {"other": 1}), (200, [])])
def test_a_window_in_trouble_is_an_error(answer: Answer) -> None:
    """Whatever it says instead."""
    shown = _run(FakeWindow(lambda *_: answer), "7")
    assert shown.exit_code == 2
    assert "the window does not answer" in shown.output


@pytest.mark.parametrize("variables", [{}, {"WINDOW_URL": "http://127.0.0.1:1"}, {"WINDOW_TOKEN": "secret"}])
def test_what_is_missing_is_named(variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address or the token, and where either comes from."""
    monkeypatch.setenv("STACK_DIR", str(tmp_path))
    monkeypatch.delenv("WINDOW_URL", raising=False)
    monkeypatch.delenv("WINDOW_TOKEN", raising=False)
    answer = CliRunner().invoke(app, ["trace", "7"], env=variables)
    assert answer.exit_code == 2
    assert "stands neither in the environment nor in" in answer.output
    assert "make" in answer.output


def test_nobody_there_is_an_error() -> None:
    """With what to do next."""
    answer = CliRunner().invoke(app, ["trace", "7"], env={"WINDOW_URL": "http://127.0.0.1:1", "WINDOW_TOKEN": "x"})
    assert answer.exit_code == 2
    assert "is the stack up? run  make up" in answer.output


@pytest.mark.parametrize("arguments", [[], ["7", "--user", "7"], ["7", "--json", "--mermaid"]])
def test_one_thing_is_asked_for(arguments: list[str]) -> None:
    """Neither none nor two."""
    answer = CliRunner().invoke(app, ["trace", *arguments], env={"WINDOW_URL": "http://127.0.0.1:1"})
    assert answer.exit_code == 2
    assert "which?" in answer.output


def test_a_terminal_obeys_nothing_that_a_window_says() -> None:
    """Even if the window does not escape it."""

    def hostile(path: str, query: dict[str, str]) -> Answer:
        return (200, "\x1b]0;owned\x07\nnext\r") if path.endswith("/text") else knows(path, query)

    answer = _run(FakeWindow(hostile), "7")
    assert answer.exit_code == 0
    assert not {"\x1b", "\x07", "\r"} & set(answer.output)
    assert answer.output.count("\n") == 2


class Growing:
    """A saga that gets on each time that it is asked for, and is aligned anew."""

    texts = (
        "checkout out\n▸ a  x\nwaits: y for 1 s",
        "checkout out\n▸ a  x\nwaits: y for 2 s",
        "checkout ended\n▸ a     x\n▸ long  y",
    )

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, path: str, query: dict[str, str]) -> Answer:
        """The next state, or its text."""
        if path == f"/api/sagas/{CHECKOUT}":
            self.seen += 1
            is_over = self.seen > 3  # the first question is whether there is such a saga
            return 200, _story("ended" if is_over else "out", [] if is_over else WAITS)
        if path.endswith("/text"):
            return 200, self.texts[self.seen - 2]
        return 404, {}


def test_a_pipe_gets_new_lines_only() -> None:
    """Those that are only aligned anew, or wait for longer, are not repeated; the end ends it."""
    answer = _run(FakeWindow(Growing()), CHECKOUT, "--follow")
    assert answer.output.splitlines() == [
        "checkout out",
        "▸ a  x",
        "waits: y for 1 s",
        "checkout ended",
        "▸ long  y",
    ]


def test_programs_get_a_line_for_each_change() -> None:
    """A longer wait is none."""
    lines = _run(FakeWindow(Growing()), CHECKOUT, "--follow", "--json").output.splitlines()
    assert [json.loads(line)["way"] for line in lines] == ["out", "ended"]


def test_a_diagram_is_that_of_the_end() -> None:
    """Nobody redraws a file."""
    window = FakeWindow(Growing())
    _run(window, CHECKOUT, "--follow", "--mermaid")
    assert window.asked.count(f"/api/sagas/{CHECKOUT}") >= 4
    assert window.asked[-1].endswith("/mermaid")
