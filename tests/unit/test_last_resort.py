"""An error that nobody has answered is answered, and costs no connection."""

import asyncio
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from chassis.web.admission import Message
from chassis.web.last_resort import LastResort
from tests.unit.serving import GET, LONG, serving, until_the_end

BROKEN, HALF = (GET.replace(b"/lamps", path) for path in (b"/broken", b"/half"))
SAFE = (b"x-content-type-options: nosniff", b"cache-control: no-store", b"content-security-policy: default-src 'none'")


async def answered(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of one answer."""
    async with asyncio.timeout(LONG):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
        return head, await reader.readexactly(int(length.removeprefix(b"content-length: ")))


async def test_connection_serves_on_after_a_defect() -> None:
    """The answer is a problem with all headers, and the next request over the same connection is answered."""
    async with serving() as lamps, lamps.wire() as (reader, writer):
        for _ in range(2):
            writer.write(BROKEN)
            head, body = await answered(reader)
            assert head.startswith(b"HTTP/1.1 500 ")
            assert b"content-type: application/problem+json" in head
            assert all(header in head for header in SAFE)
            assert json.loads(body)["type"] == "urn:problem:internal-server-error"
        writer.write(GET)
        assert (await answered(reader))[1] == b'"lit"'


async def test_defect_is_noted_with_where_it_happened() -> None:
    """Once, and with the lines that lead to it."""
    with capture_logs() as logs:
        async with serving() as lamps, lamps.wire() as (reader, writer):
            writer.write(BROKEN)
            await answered(reader)
    (line,) = [one for one in logs if one["event"] == "request failed"]
    assert (line["method"], line["path"], line["log_level"]) == ("GET", "/broken", "error")
    assert line["exc_info"]


async def test_answer_that_was_broken_off_ends_its_connection() -> None:
    """Else whoever reads it would take what comes next for the rest of it."""
    async with serving() as lamps:
        found = await lamps.answer(HALF)
    assert found.startswith(b"HTTP/1.1 200 ")
    assert not found.endswith(b"0\r\n\r\n")


async def test_error_outside_of_the_application_is_answered_too() -> None:
    """Whatever stands between the server and the routes may have a defect."""
    # given
    said: list[Message] = []

    async def defect(*_: Any) -> None:
        raise ZeroDivisionError

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        raise AssertionError("nobody reads")

    # when
    await LastResort(defect)({"type": "http", "method": "GET", "path": "/lamps"}, receive, send)
    # then
    assert [message["type"] for message in said] == ["http.response.start", "http.response.body"]
    assert said[0]["status"] == 500


async def test_what_is_no_request_fails_as_before() -> None:
    """The start of the application has nobody to answer."""

    async def defect(*_: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await LastResort(defect)({"type": "lifespan"}, defect, defect)  # type: ignore[arg-type]  # neither is called


async def test_connection_without_a_request_stays_as_long_as_it_is_told_to() -> None:
    """A balancer closes it first; then no request is on its way to a connection that has just been closed."""
    async with serving(keep_alive_seconds=1) as lamps, lamps.wire() as (reader, writer):
        writer.write(GET)
        await answered(reader)
        began = asyncio.get_running_loop().time()
        assert await until_the_end(reader) == b""
        assert asyncio.get_running_loop().time() - began > 0.9
