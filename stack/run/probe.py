"""Whether something answers at a URL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aio_pika
import asyncpg

_TIMEOUT = 3.0


async def answers(url: str) -> bool:
    """Say whether `url` (http, amqp, postgresql or tcp) answers now, signed in where it names a user."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await _PROBES[urlsplit(url).scheme](url)
    except Exception:  # noqa: BLE001 - whatever went wrong in asking, it was no answer
        return False


async def _http(url: str) -> bool:
    # By hand, because building an HTTP client costs more than its one request, and there are many.
    async with _connected(url) as (reader, writer):
        writer.write(f"GET {urlsplit(url).path} HTTP/1.0\r\n\r\n".encode())
        return b" 200 " in await reader.readline()


async def _amqp(url: str) -> bool:
    # aiormq logs every connection that is refused.
    await _tcp(url)
    async with await aio_pika.connect(url):
        return True


async def _postgresql(url: str) -> bool:
    connection = await asyncpg.connect(url)
    await connection.close()
    return True


async def _tcp(url: str) -> bool:
    async with _connected(url):
        return True


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect, and leave no socket behind when the time is over either."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()


_PROBES = {"http": _http, "amqp": _amqp, "amqps": _amqp, "postgresql": _postgresql, "tcp": _tcp}
