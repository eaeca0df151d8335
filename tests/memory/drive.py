"""Runs coroutines without an event loop: always in the same order, and fast."""

from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

MAX_TURNS = 10_000


@coroutine
def turn() -> Generator[None, None, None]:
    """Let somebody else go on: whoever drives decides who, and so does an event loop."""
    yield


def drive(work: Coroutine[Any, Any, Result]) -> Result:
    """What the coroutine returns; raises what it raises, or AssertionError when it waits for what does not come."""
    for _ in range(MAX_TURNS):
        try:
            waited_for = work.send(None)
        except StopIteration as done:
            result: Result = done.value
            return result
        if waited_for is not None:
            break
    work.close()
    raise AssertionError("something was waited for that is not in memory, or that nobody lets go of")
