"""Crash points: named places at which a test can have the process kill itself, as a power failure would.

With `CHASSIS_CRASH_DIR` in the environment, a process that comes to a point looks for a file `SUBJECT@POINT` in that
folder, takes it away and dies by SIGKILL. The subject is a step (`thing.do`), or for the points of publishing the
event (`thing.done`). Without the variable a point is an empty function.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

VARIABLE = "CHASSIS_CRASH_DIR"


class Point(StrEnum):
    """The places, in the order in which a batch passes them."""

    BEFORE_TRANSACTION = "before-transaction"
    AFTER_INBOX = "after-inbox"
    BEFORE_COMMIT = "before-commit"
    AFTER_COMMIT = "after-commit"
    AFTER_PUBLISH = "after-publish"
    AFTER_CONFIRM = "after-confirm"


Hook = Callable[[Point, Iterable[str]], None]


def _crash_if_told(point: Point, subjects: Iterable[str]) -> None:
    """Die here if a file says so. Only the process that takes the file away dies, however many come by."""
    for subject in subjects:
        order = Path(os.environ[VARIABLE]) / f"{subject}@{point}"
        try:
            order.unlink()
        except FileNotFoundError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)


def _do_nothing(point: Point, subjects: Iterable[str]) -> None:
    """Nobody wants a crash."""


_at_point: Hook = _crash_if_told if VARIABLE in os.environ else _do_nothing


def crash_point(point: Point, subjects: Iterable[str]) -> None:
    """Pass a point on behalf of some subjects."""
    _at_point(point, subjects)


@contextmanager
def crashing(hook: Hook) -> Iterator[None]:
    """Let `hook` decide what happens at every point while the context lasts: for a simulation."""
    global _at_point  # noqa: PLW0603  # there is one process, and one way to end it
    before, _at_point = _at_point, hook
    try:
        yield
    finally:
        _at_point = before
