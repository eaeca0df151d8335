"""Bare connections to a service, for what no client library would send, and for clients who do not read."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from chassis.web.protocol import HEAD_SECONDS
from tests.end_to_end.system import System


@contextlib.asynccontextmanager
async def wire(system: System, service: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to a service."""
    place = urlsplit(system.url(service))
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(system: System, service: str, *parts: bytes) -> bytes:
    """What comes back until the connection ends; parts that nobody takes any more are not sent."""
    async with wire(system, service) as (reader, writer):
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        found = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(3 * HEAD_SECONDS):
                found = await reader.read()
        return found


def head(method: str, path: str, **headers: str) -> bytes:
    """The head of a request."""
    named = (f"{name.replace('_', '-')}: {value}" for name, value in headers.items())
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *named, "", ""]).encode()


def few(system: System, service: str) -> socket.socket:
    """A connection whose client takes next to nothing at a time."""
    place = urlsplit(system.url(service))
    assert place.hostname is not None
    assert place.port is not None
    thin = socket.socket()
    thin.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    thin.connect((place.hostname, place.port))
    return thin


def pour(thin: socket.socket, part: bytes, most: int) -> int:
    """How many bytes of the same part over and over are taken, until nobody takes any or the connection ends."""
    thin.settimeout(HEAD_SECONDS)
    sent = 0
    with contextlib.suppress(OSError):
        while sent < most:
            sent += thin.send(part)
    return sent


def is_established(thin: socket.socket) -> bool:
    """Whether the other end of a connection has not closed it."""
    other = f"{thin.getpeername()[1]:04X}", f"{thin.getsockname()[1]:04X}", "01"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any((row[1][-4:], row[2][-4:], row[3]) == other for row in rows)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Whether a connection is closed long before its client would have to say something."""
    try:
        async with asyncio.timeout(HEAD_SECONDS / 4):
            return await reader.read() == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False
