"""Waiters: requests that wait for what a step commits, in this process or in another, without polling."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar
from uuid import UUID

from chassis.telemetry import metrics

Value = TypeVar("Value")

UNTOLD, TOLD = 1.0, 15.0
"""Seconds after which a waiting request looks by itself: where other processes cannot tell, and where they do"""


class Waiters:
    """Which requests wait for which saga."""

    def __init__(self) -> None:
        self._waiting: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)
        self.is_told = False
        """Whether this process hears what other ones have done"""
        self.ended = False
        """Whether nobody may wait any longer, because the process has been asked to end"""

    def notify(self, saga_ids: Iterable[UUID]) -> None:
        """Wake those who wait for these sagas."""
        for saga_id in saga_ids:
            for event in self._waiting.get(saga_id, ()):
                event.set()

    def end(self) -> None:
        """Wake everybody for the last time: they return what there is now, in time to be answered."""
        self.ended = True
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def until(self, saga_id: UUID, look: Callable[[], Awaitable[Value | None]], seconds: float) -> Value | None:
        """The first thing other than None that `look` sees, or None after `seconds` or at the end of the process."""
        news = asyncio.Event()
        self._waiting[saga_id].add(news)
        try:
            async with asyncio.timeout(seconds):
                return await self._look_until(news, look)
        except TimeoutError:
            return None
        finally:
            self._leave(saga_id, news)

    async def _look_until(self, news: asyncio.Event, look: Callable[[], Awaitable[Value | None]]) -> Value | None:
        why = "asked"
        while True:
            news.clear()
            metrics.looks.labels(why).inc()
            if (seen := await look()) is not None or self.ended:
                return seen
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TOLD if self.is_told else UNTOLD):
                    await news.wait()
            why = "told" if news.is_set() else "by itself"

    def _leave(self, saga_id: UUID, news: asyncio.Event) -> None:
        self._waiting[saga_id].discard(news)
        if not self._waiting[saga_id]:
            del self._waiting[saga_id]
