"""Waiters: requests that wait for what a step of this process commits, without polling."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar
from uuid import UUID

Value = TypeVar("Value")

OTHER_REPLICAS = 1.0
"""Seconds after which a waiting request looks by itself, because another replica may have done the step."""


class Waiters:
    """Which requests wait for which saga."""

    def __init__(self) -> None:
        self._waiting: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)
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
        while True:
            news.clear()
            if (seen := await look()) is not None or self.ended:
                return seen
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OTHER_REPLICAS):
                    await news.wait()

    def _leave(self, saga_id: UUID, news: asyncio.Event) -> None:
        self._waiting[saga_id].discard(news)
        if not self._waiting[saga_id]:
            del self._waiting[saga_id]
