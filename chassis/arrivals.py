"""Arrivals: what has come in and waits to be worked on, in its order, until an end."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Arrivals(Generic[Item]):
    """A queue that has an end, in good order or because of an error, and is emptied as far as it is filled."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._error: BaseException | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> None:
        """Something has come in."""
        self._items.append(item)
        self._news.set()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes in: in good order, or because of `error`."""
        self._ended = True
        self._error = self._error or error
        self._news.set()

    async def take(self, limit: int) -> list[Item]:
        """What has come in, at least one; empty when the end has come in good order, else raises its error."""
        while not self._items and not self._ended:
            self._news.clear()
            await self._news.wait()
        if self._error is not None:
            raise self._error
        return [self._items.popleft() for _ in range(min(limit, len(self._items)))]
