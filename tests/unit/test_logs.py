"""Logs on a terminal: what comes from a message is text."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from chassis.telemetry import logs


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal to which everything is logged; afterwards it is as before."""
    before, handlers = structlog.get_config(), logging.root.handlers[:]
    level = logging.root.level
    made = Terminal()
    monkeypatch.setattr("sys.stderr", made)
    monkeypatch.setenv("NO_COLOR", "1")
    logs.configure("lamps_svc")
    yield made
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.mark.parametrize(
    ("hostile", "text"),
    [("\x1b]0;mine\x07\x1b[2J", r"\x1b]0;mine\x07\x1b[2J"), ("one\ntwo", r"one\ntwo"), ("\u202eback", r"\u202eback")],
)
def test_terminal_is_given_no_orders(terminal: Terminal, hostile: str, text: str) -> None:
    """Whoever logs it: an id that clears the screen is shown as what it is."""
    structlog.get_logger("a").warning("step failed", saga_id=hostile)
    logging.getLogger("b").warning("%s", hostile)

    shown = terminal.getvalue()
    assert hostile not in shown
    assert shown.count(text) == 2
    assert len(shown.splitlines()) == 2
