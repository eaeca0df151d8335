"""Waiting for a condition, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")

WITHIN = 30.0
"""Seconds: far longer than anything takes, because the machine may be busy with something else."""

PAUSE = 0.05


async def eventually(
    look: Callable[[], Awaitable[Seen]], holds: Callable[[Seen], object] = bool, within: float = WITHIN
) -> Seen:
    """The first thing seen for which `holds` is true; raises AssertionError with the last one at the deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not holds(seen := await look()):
        if loop.time() > deadline:
            raise AssertionError(f"not within {within:.0f} s; last seen: {seen!r}")
        await asyncio.sleep(PAUSE)
    return seen
