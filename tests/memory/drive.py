"""Runs coroutines that never wait, without an event loop: always in the same order, and fast."""

from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def drive(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What the coroutine returns; raises what it raises, or AssertionError when it waits for something."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    coroutine.close()
    raise AssertionError("something was waited for that is not in memory")
