"""Streams: how many answers that go on for minutes one user may have open."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.sse import EventSourceResponse
from starlette.types import Receive, Scope, Send

from chassis.web.problem import Problem


class Streams:
    """The open streams of a process, counted by user."""

    def __init__(self, per_user: int) -> None:
        self._per_user = per_user
        self._open = Counter[str]()

    def open(self, user_id: str, parts: AsyncIterator[bytes]) -> EventSourceResponse:
        """Answer with the parts, counted until they end; raises Problem 429 where the user has as many as allowed."""
        if self._open[user_id] >= self._per_user:
            detail = f"{self._per_user} streams of yours are open: close one first."
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, "too-many-streams", headers={"Retry-After": "1"})
        self._open[user_id] += 1
        return _CountedStream(parts, partial(self._closed, user_id))

    def _closed(self, user_id: str) -> None:
        self._open[user_id] -= 1
        if not self._open[user_id]:
            del self._open[user_id]


class _CountedStream(EventSourceResponse):
    def __init__(self, parts: AsyncIterator[bytes], closed: Callable[[], None]) -> None:
        super().__init__(parts)
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._closed()


async def _streams(request: Request) -> Streams:
    streams: Streams = request.app.state.streams
    return streams


CurrentStreams = Annotated[Streams, Depends(_streams)]
"""The open streams of the process that answers."""
