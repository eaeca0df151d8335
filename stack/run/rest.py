"""Rest: a program that was stopped for a while is not started again before its time."""

import asyncio
import time

from stack.directory import Directory, write_private

MAX_SECONDS = 120.0
"""How long a program may rest"""
_LOOK_EVERY = 0.1


def rest(directory: Directory, name: str, seconds: float) -> None:
    """Have the supervisor start a program no sooner than in so many seconds."""
    directory.rests.mkdir(mode=0o700, exist_ok=True)
    write_private(directory.rests / name, repr(time.time() + min(seconds, MAX_SECONDS)))


def wake(directory: Directory, name: str) -> None:
    """Let the program be started at once."""
    (directory.rests / name).unlink(missing_ok=True)


def rests_for(directory: Directory, name: str) -> float:
    """The seconds until the program may be started; 0 if it may now."""
    try:
        until = float((directory.rests / name).read_text())
    except (FileNotFoundError, ValueError):
        return 0.0
    return max(0.0, min(until - time.time(), MAX_SECONDS))


async def rested(directory: Directory, name: str) -> None:
    """Wait until the program may be started."""
    while rests_for(directory, name):  # noqa: ASYNC110 - another process has no event to set
        await asyncio.sleep(_LOOK_EVERY)
    wake(directory, name)
