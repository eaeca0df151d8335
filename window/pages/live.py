"""Live: tells pages that something has moved, for them to fetch themselves again."""

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi.sse import format_sse_event
from starlette.responses import Response

from chassis.web.streams import Streams
from window.looks import Looks

PACE, LIFE = 1.0, 600.0
"""Seconds between two signals of a stream at least, and until a page has to ask for it, and for leave, again"""
STREAMS = 20
"""How many pages one operator may have open"""


class Live:
    """Streams of signals; each carries nothing, so a page shows only what it was allowed to fetch."""

    def __init__(self, pace: float = PACE, life: float = LIFE) -> None:
        self._pace = pace
        self._life = life
        self._streams = Streams(STREAMS)

    def open(self, operator: str, signals: AsyncIterator[bytes]) -> Response:
        """Answer with a stream; raises Problem 429 where too many are open."""
        return self._streams.open(operator, signals)

    async def moves(self, looks: Looks) -> AsyncIterator[int]:
        """The number of the newest message at the start and whenever it grew, or when some seconds have passed."""
        ends = time.monotonic() + self._life
        number = await looks.moved(-1)
        yield number
        while time.monotonic() < ends:
            await asyncio.sleep(self._pace)
            number = await looks.moved(number)
            yield number

    async def signals(self, looks: Looks) -> AsyncIterator[bytes]:
        """A signal for each move."""
        async for _ in self.moves(looks):
            yield format_sse_event(event="moved", data_str="")
