"""A lean HTTP/1.1 client: the load must not take the machine away from what it loads.

One request at a time on each connection, prepared bytes go out, status and body come back. httptools parses, as in
the servers.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Self, cast

import httptools

IDLE = 2.0
"""Seconds after which a connection is not used any more"""


@dataclass(frozen=True)
class Answer:
    """What a request was answered with."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """A connection that is kept alive."""

    def __init__(self) -> None:
        self._body: list[bytes] = []
        self._waiting: asyncio.Future[Answer] | None = None
        self._used = time.monotonic()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)

    @classmethod
    async def to(cls, host: str, port: int) -> Self:
        """An open connection."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    @property
    def usable(self) -> bool:
        """Whether the server will surely be there: it closes connections that were idle for long."""
        is_open = self._transport is not None and not self._transport.is_closing()
        return is_open and time.monotonic() - self._used < IDLE

    async def ask(self, request: bytes) -> Answer:
        """The answer to a request; raises ConnectionError."""
        if self._transport is None or not self.usable:
            raise ConnectionError("the connection has been idle for too long")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError(str(exc)))

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        answer = Answer(self._parser.get_status_code(), b"".join(self._body))
        self._body, self._used = [], time.monotonic()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)
