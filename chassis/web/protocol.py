"""Protocol: HTTP/1.1 as uvicorn speaks it, with a bound on how large the head of a request is and how long it takes.

uvicorn's parser takes a head of any size, and waits for the rest of one for ever.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 16 << 10
"""Bytes of the line and the headers of a request"""
MAX_HEADERS = 100
HEAD_SECONDS = 10.0
"""How long a connection may take to send the head of a request, or stay open before the first one"""
SPARE = 500
"""How many connections more than may be served are kept, to tell them so"""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HeadTooLargeError(Exception):
    """Ends the parsing of a head."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._waiting: asyncio.TimerHandle | None = None
        """Ends the connection unless the head of its next request is complete by then"""
        self._head_bytes = 0
        self._is_in_head = True
        self._is_too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come; too many are not kept."""
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency + SPARE:
            transport.abort()
        else:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what has come."""
        if self._is_in_head:
            self._head_bytes += len(data)
            self._wait_for_head()
        super().data_received(data)
        if self._is_in_head and self._head_bytes > MAX_HEAD:
            self._is_too_large = True
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        """The head is there: begin to answer, unless it is too large."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            self._is_too_large = True
            raise HeadTooLargeError
        self._head_is_there()
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The whole request is there, so what comes next is the head of another."""
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Say that what has come is no request that is answered here, and end the connection."""
        if self.transport.is_closing():
            return
        if not self._is_too_large:
            super().send_400_response(msg)
            return
        self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _wait_for_head(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_is_there(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
