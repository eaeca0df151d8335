"""What a client may do with a connection: how much it may send, and how long it may take."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable

import pytest

from chassis.web import protocol
from tests.end_to_end.eventually import eventually
from tests.unit.serving import CHUNKED, GET, LONG, Lamps, serving, until_the_end

SOON = 0.2
SIZED = CHUNKED.replace(b"Transfer-Encoding: chunked", b"Content-Length: 16000")
SAFE = (b"x-content-type-options: nosniff", b"cache-control: no-store", b"content-security-policy: default-src 'none'")


@pytest.fixture
async def lamps() -> AsyncIterator[Lamps]:
    """A service with usual limits."""
    async with serving() as found:
        yield found


async def test_trailers_are_dropped(lamps: Lamps) -> None:
    """They are no headers, and the request after them is answered."""
    body = b"1\r\nx\r\n0\r\nx-late: 1\r\n\r\n"

    lamps.answers.clear()
    async with lamps.wire() as (reader, writer):
        writer.write(CHUNKED + body)
        await eventually(lambda: _are_asked(lamps, 1))
        assert len(lamps.one.headers) == 2
        lamps.answers.set()
        writer.write(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        found = await until_the_end(reader)

    assert found.count(b"HTTP/1.1 200 ") == 2
    assert lamps.asked[0] == b"x"


async def _are_asked(lamps: Lamps, count: int) -> bool:
    return len(lamps.asked) == count


@pytest.mark.parametrize(
    "endless",
    [lambda n: b"0\r\n" * (not n) + b"a: b\r\n" * 100, lambda n: b"0\r\na: " * (not n) + b"b" * 600],
    ids=["many trailers", "one trailer"],
)
@pytest.mark.parametrize("method", [b"POST", b"GET"])
async def test_endless_trailers_end(
    lamps: Lamps, monkeypatch: pytest.MonkeyPatch, method: bytes, endless: Callable[[int], bytes]
) -> None:
    """With their connection, also while an answer is waited for; none of them is kept."""
    monkeypatch.setattr(protocol, "MAX_REQUEST", 32 << 10)
    lamps.answers.clear()
    async with lamps.wire() as (reader, writer):
        writer.write(CHUNKED.replace(b"POST", method))
        await eventually(lambda: _is_connected(lamps))
        one, sent = lamps.one, 0
        ended = asyncio.create_task(until_the_end(reader))
        with contextlib.suppress(ConnectionError):
            while not ended.done():
                writer.write(endless(sent))
                await writer.drain()
                await asyncio.wait([ended], timeout=0.001)
                sent += 1
        assert await ended == b""
    assert len(one.headers) == 2


async def _is_connected(lamps: Lamps) -> bool:
    return any(one.headers for one in lamps.connections)


async def test_chunk_extensions_end(lamps: Lamps, monkeypatch: pytest.MonkeyPatch) -> None:
    """What frames a body counts as what is sent."""
    monkeypatch.setattr(protocol, "MAX_REQUEST", 32 << 10)

    assert await lamps.answer(CHUNKED, b"1;" + b"x" * (64 << 10)) == b""
    assert lamps.asked == []


async def test_body_of_who_only_asks_is_not_kept(lamps: Lamps) -> None:
    """Nobody reads it."""
    async with lamps.wire() as (_, writer):
        writer.write(CHUNKED.replace(b"POST", b"GET") + b"5\r\nhello\r\n0\r\n\r\n")
        await eventually(lambda: _are_asked(lamps, 1))

    assert lamps.asked == [b""]


@pytest.mark.parametrize(
    ("clock", "part"), [("HEAD_SECONDS", b"GET /"), ("REST_SECONDS", SIZED), ("REST_SECONDS", CHUNKED + b"1;")]
)
async def test_half_a_request_ends(lamps: Lamps, monkeypatch: pytest.MonkeyPatch, clock: str, part: bytes) -> None:
    """However it drips, the time counts from its beginning."""
    monkeypatch.setattr(protocol, clock, SOON)
    async with lamps.wire() as (reader, writer):
        writer.write(part)
        ended = asyncio.create_task(until_the_end(reader))
        with contextlib.suppress(ConnectionError):
            while not ended.done():
                writer.write(b"x")
                await writer.drain()
                await asyncio.wait([ended], timeout=SOON / 4)
        assert await ended == b""


async def test_who_does_not_read_is_dropped(lamps: Lamps, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that nobody takes ends the connection, and the answer with it."""
    monkeypatch.setattr(protocol, "WRITE_SECONDS", SOON)
    async with lamps.wire(limit=1) as (_, writer):
        writer.write(GET.replace(b"/lamps", b"/stream"))
        async with asyncio.timeout(LONG):
            await lamps.ended.wait()

    await eventually(lambda: _is_empty(lamps))


async def test_who_reads_nothing_before_the_end_is_dropped(lamps: Lamps, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where all has been written, and the connection only waits to be read empty."""
    monkeypatch.setattr(protocol, "WRITE_SECONDS", SOON)
    async with lamps.wire(limit=1) as (_, writer):
        writer.write(GET.replace(b"/lamps", b"/stream"))
        await eventually(lambda: _is_blocked(lamps))
        lamps.one.transport.close()
        async with asyncio.timeout(LONG):
            await eventually(lambda: _is_empty(lamps))


async def _is_blocked(lamps: Lamps) -> bool:
    return any(one.flow.write_paused for one in lamps.connections)


async def _is_empty(lamps: Lamps) -> bool:
    return not lamps.connections


async def test_who_reads_late_gets_all(lamps: Lamps) -> None:
    """Once what was written is read, no clock runs any more."""
    async with lamps.wire(limit=1) as (reader, writer):
        writer.write(GET.replace(b"/lamps", b"/large"))
        await eventually(lambda: _is_blocked(lamps))
        assert lamps.one._writing is not None
        found = b""
        while not found.endswith(b"0\r\n\r\n"):
            found += await reader.read(1 << 20)

        assert len(found) > 200 << 16
        await eventually(lambda: _is_calm(lamps))


async def _is_calm(lamps: Lamps) -> bool:
    return lamps.one._writing is None and lamps.one._reading is None


async def test_connections_of_an_address_are_limited() -> None:
    """One more is closed at once; when one has gone, another may come."""
    async with serving(address_connections=2) as lamps, lamps.wire() as (_, first), lamps.wire():
        await eventually(lambda: _are_open(lamps, 2))
        assert await lamps.answer(GET) == b""
        first.transport.abort()
        await eventually(lambda: _are_open(lamps, 1))
        async with lamps.wire() as (reader, writer):
            writer.write(GET)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")


async def _are_open(lamps: Lamps, count: int) -> bool:
    return len(lamps.connections) == count


async def test_one_request_may_wait_behind_another(lamps: Lamps) -> None:
    """What comes after it is not read, and the connection ends with the answers."""
    lamps.answers.clear()
    async with lamps.wire() as (reader, writer):
        writer.write(GET * 50)
        await eventually(lambda: _are_asked(lamps, 1))
        assert len(lamps.one.pipeline) == 1
        lamps.answers.set()
        found = await until_the_end(reader)

    assert found.count(b"HTTP/1.1 200 ") == 2
    assert found.count(b"connection: close") == 1
    assert len(lamps.asked) == 2


async def test_nonsense_behind_a_request_is_not_its_answer(lamps: Lamps) -> None:
    """The request is answered as if it were the last."""
    lamps.answers.clear()
    async with lamps.wire() as (reader, writer):
        writer.write(GET + b"nonsense\r\n\r\n")
        await eventually(lambda: _are_asked(lamps, 1))
        lamps.answers.set()
        found = await until_the_end(reader)

    assert re.findall(rb"HTTP/1\.1 (\d+)", found) == [b"200"]
    assert b"connection: close" in found


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"nonsense\r\n\r\n", b"400"), (b"GET / HTTP/1.1\r\nX: " + b"x" * protocol.MAX_HEAD + b"\r\n\r\n", b"431")],
)
async def test_what_is_no_request_is_answered_safely(lamps: Lamps, sent: bytes, status: bytes) -> None:
    """With the headers of all answers."""
    found = await lamps.answer(sent)

    assert found.startswith(b"HTTP/1.1 " + status)
    assert all(header in found for header in (*SAFE, b"connection: close"))


async def test_who_is_one_too_many_is_told_so_safely() -> None:
    """The same headers are in the answer of the server itself."""
    async with serving(max_connections=1) as lamps:
        found = await lamps.answer(GET)

    assert found.startswith(b"HTTP/1.1 503 ")
    assert all(header in found for header in (*SAFE, b"connection: close"))


async def test_other_protocols_are_not_spoken(lamps: Lamps) -> None:
    """Whoever asks for a websocket is answered in HTTP."""
    upgrade = b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n"
    async with lamps.wire() as (reader, writer):
        writer.write(GET.replace(b"\r\n\r\n", upgrade + b"\r\n"))
        async with asyncio.timeout(LONG):
            found = await reader.readuntil(b"\r\n\r\n")

    assert found.startswith(b"HTTP/1.1 200 ")
    assert all(header in found for header in SAFE)


async def test_closed_door_reads_no_body() -> None:
    """Who is turned away does not keep the connection with what nobody reads."""
    async with serving(closed="sagas") as lamps:
        found = await lamps.answer(CHUNKED)

    assert found.startswith(b"HTTP/1.1 503 ")
    assert b"connection: close" in found
    assert lamps.asked == []


async def test_closed_door_counts_requests() -> None:
    """Who asks more often than an address may hears that."""
    post = CHUNKED.replace(b"Transfer-Encoding: chunked", b"Content-Length: 0")
    async with serving(closed="sagas", requests=1) as lamps, lamps.wire() as (reader, writer):
        writer.write(post)
        statuses = {(await reader.readuntil(b"}"))[9:12]}
        async with asyncio.timeout(LONG):
            while b"429" not in statuses:
                writer.write(post)
                statuses.add((await reader.readuntil(b"}"))[9:12])

    assert statuses == {b"503", b"429"}
