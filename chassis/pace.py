"""Pace: lets what comes in gather while a process is busy, and has nothing wait while it is calm.

A transaction about two events costs almost as much as one about twenty. On a busy machine each step finds one or two,
because it takes what is there as soon as it can, so the busier the machine, the more each event costs. Whoever rests
after a piece of work, for a multiple of the time that it took, finds more: the busier the machine, the longer pieces
take, and the longer the rest. What comes to an idle process comes after the rest, and does not wait.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

SHARE = 2.0
"""How long a rest is, in times of the piece of work before it"""
LONGEST = 0.05
"""Seconds: a piece that waited for a lock says nothing about the machine"""


class Pace:
    """The rhythm of whoever does one piece of work after the other; `full` is the most that one is about."""

    def __init__(self, full: int) -> None:
        self._full = full
        self._rest = 0.0

    @contextmanager
    def piece(self) -> Iterator[None]:
        """A piece of work."""
        began = time.monotonic()
        yield
        self._rest = min(SHARE * (time.monotonic() - began), LONGEST)

    async def rest(self, waiting: int) -> None:
        """Let the next piece gather, unless so much is waiting already that it is full."""
        if waiting < self._full:
            await asyncio.sleep(self._rest)
