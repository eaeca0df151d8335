"""Protocol: HTTP/1.1 as uvicorn speaks it, with bounds on what a client may send, and on how long anything may take.

uvicorn's parser takes heads and trailers of any size, and waits for ever for the rest of a request, or for a client to
read its answer.
"""

import asyncio
from collections import Counter
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.telemetry import metrics
from chassis.web.admission import SAFE
from chassis.web.guard import BODY_SECONDS, MAX_BODY
from chassis.web.headers import SafeHeaders, bare

MAX_HEAD = 16 << 10
"""Bytes of the line and the headers of a request"""
MAX_HEADERS = 100
MAX_REQUEST = 64 * MAX_BODY
"""Bytes of a whole request on the wire: what frames the chunks of a body, and trailers, count too"""
HEAD_SECONDS = 10.0
"""How long a connection may take to send the head of a request, or stay open before the first one"""
REST_SECONDS = BODY_SECONDS + 5.0
"""How long the rest of a request may take; the guard says 408 before that"""
WRITE_SECONDS = 30.0
"""How long a client may take to read what it is sent, which is 64 KiB at a time where an answer is large"""
SPARE = 500
"""How many connections more than may be served are kept, to tell them so"""


class TooMuchError(Exception):
    """Ends the parsing of what a client sends."""


class Peers:
    """The open connections of a process, counted by address."""

    def __init__(self, per_address: int) -> None:
        self._per_address = per_address
        self._open = Counter[str]()

    def come(self, address: str) -> bool:
        """Count one more; whether the address may have it."""
        self._open[address] += 1
        return self._open[address] <= self._per_address

    def leave(self, address: str) -> None:
        """Count one less."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, peers: Peers, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._peers = peers
        self._reading: asyncio.TimerHandle | None = None
        """Ends the connection unless its next request is complete by then"""
        self._writing: asyncio.TimerHandle | None = None
        """Ends the connection unless its client has read by then what it was sent"""
        self._bytes = 0
        """How much of the next request has come"""
        self._is_in_head = True
        self._is_too_large = False
        self._is_over = False
        """Whether nothing is read any more, because no answer would make sense"""

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come; too many are not kept."""
        super().connection_made(transport)
        # Whatever the client does not take at once pauses the writing, and starts its clock.
        transport.set_write_buffer_limits(high=0)
        if not self._peers.come(self._address):
            metrics.turned_away.labels("connections of address").inc()
            transport.abort()
        elif self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency + SPARE:
            transport.abort()
        else:
            self._read_within(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left."""
        self._peers.leave(self._address)
        self._is_read()
        self._is_written()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what has come."""
        self._bytes += len(data)
        if not self._is_over:
            if self._is_in_head and self._reading is None:
                self._read_within(HEAD_SECONDS)
            super().data_received(data)
        if self._bytes > MAX_REQUEST:
            self.transport.abort()
        elif self._is_in_head and self._bytes > MAX_HEAD and not self._is_over:
            self._is_too_large = True
            self.send_400_response("")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is there; those that follow a body are nothing that anybody here reads."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there: begin to answer, unless it is too large, or others wait for their answer."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        self._is_too_large = size > MAX_HEAD or len(self.headers) > MAX_HEADERS
        if self._is_too_large or self.pipeline:
            raise TooMuchError
        self._is_in_head = False
        self._read_within(REST_SECONDS)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body is there, which is kept where somebody will read it."""
        if self.scope["method"] not in SAFE:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is there, so what comes next is the head of another."""
        self._is_in_head, self._bytes = True, 0
        self._is_read()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Say that what has come is no request that is answered here, and end the connection.

        Requests that came before it are answered first, and the last of them ends the connection.
        """
        if self.transport.is_closing():
            return
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and self._is_in_head:
            self.cycle.keep_alive = False
            self._is_over = True
            self._is_read()
        elif is_answering and (self.pipeline or self.cycle.response_started):
            self.transport.abort()
        else:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if self._is_too_large else HTTPStatus.BAD_REQUEST
            self.transport.write(bare(status))
            self.transport.close()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read what it was sent."""
        self._is_written()
        super().resume_writing()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        full: Any = service_unavailable
        safe: Any = SafeHeaders(full) if app is full else app
        super()._start_asgi_task(cycle, safe)

    def _unsupported_upgrade_warning(self) -> None:
        """Whoever wants another protocol is answered in this one, which is no news."""

    def _read_within(self, seconds: float) -> None:
        self._is_read()
        self._reading = self.loop.call_later(seconds, self._on_slow, seconds)

    def _on_slow(self, seconds: float) -> None:
        """End the connection, unless it is this side that does not read."""
        if self.flow.read_paused:
            self._read_within(seconds)
        else:
            self.transport.close()

    def _is_read(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _is_written(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
