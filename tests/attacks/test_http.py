"""What a stranger can send to a service, without a token and without end: attack 3."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from chassis.web.guard import MAX_BODY
from chassis.web.protocol import HEAD_SECONDS, MAX_HEAD, WRITE_SECONDS
from stack.directory import Directory
from stack.run.state import State
from stack.services import SERVICES
from tests.attacks.here import in_our_stack
from tests.attacks.strictness import STRICT, strict
from tests.attacks.wires import answer, few, head, is_closed, is_established, pour, wire
from tests.bench.processes import resident_bytes
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan
from tests.end_to_end.system import System

LONG = "/static-offline-docs/swagger-ui-bundle.js"
PAGE = 1 << 20
MANY = 200
"""More connections than a strict process serves"""
GROWN_MOST = 32 * PAGE
"""What a process may have more in memory after it was sent half a gigabyte"""


def resident(system: System, service: str) -> int:
    """The bytes of memory that the process of a service has."""
    state = State.of(Directory.of(Path(system.environment["TOKEN_KEYS"]).parent))
    assert state is not None
    pid = state.programs[f"{service}_svc"].pid
    assert pid is not None
    return resident_bytes(pid)


@in_our_stack
async def test_bodies_of_strangers_are_not_read(system: System) -> None:
    """Six of 150 MB at once: each is asked for a token, and the memory stays what it was."""
    before = resident(system, "point")

    async def flood() -> bytes:
        size = 150 * PAGE
        begun = head("POST", "/points/charge", Content_Length=str(size), Content_Type="application/json")
        return await answer(system, "point", begun, *[b"x" * PAGE] * 100)

    answers = await asyncio.gather(*(flood() for _ in range(6)))

    assert {found.split(b"\r\n")[0] for found in answers if found} <= {b"HTTP/1.1 401 Unauthorized"}
    assert resident(system, "point") - before < GROWN_MOST
    assert (await system.ask("GET", "point", "/readyz")).status_code == 200


@pytest.mark.parametrize("service", SERVICES)
async def test_strangers_are_answered_before_their_body_comes(system: System, service: str) -> None:
    """Nobody waits for what would not be looked at."""
    found = await answer(system, service, head("POST", "/anything", Content_Length="5"))

    assert found.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in found


@pytest.mark.parametrize("service", SERVICES)
async def test_large_bodies_of_fans_are_refused(system: System, fan: Fan, service: str) -> None:
    """By what their head says, before anything is read; and what a head does not say, at the first byte too many."""
    bearer = f"Bearer {fan.token}"
    said = head("POST", "/x", Authorization=bearer, Content_Length=str(40 * PAGE))
    unsaid = head("POST", "/x", Authorization=bearer, Transfer_Encoding="chunked")
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"

    for found in (await answer(system, service, said), await answer(system, service, unsaid, *[chunk] * 5)):
        assert found.startswith(b"HTTP/1.1 413 "), found[:200]
        assert b"connection: close" in found
        assert b"application/problem+json" in found


async def test_a_body_that_fits_is_read(fan: Fan) -> None:
    """Up to the last byte; what is too much in it is refused as such, in an answer that is small."""
    fits = json.dumps({"amount": 5}).ljust(MAX_BODY)
    headers = {"Idempotency-Key": uuid.uuid4().hex, "Content-Type": "application/json"}
    taken = await fan.ask("POST", "point", "/points/charge", content=fits, headers=headers)
    keys = json.dumps({f"k{number}": 1 for number in range(1200)})
    refused = await fan.ask("POST", "point", "/points/charge", content=keys, headers=headers)

    assert taken.status_code == 200
    assert refused.status_code == 422
    assert len(refused.content) < 4096


@pytest.mark.parametrize(
    "large",
    [
        head("GET", "/livez", X="x" * MAX_HEAD),
        head("GET", "/livez?" + "x" * MAX_HEAD),
        head("GET", "/livez", **{f"X{number}": "1" for number in range(200)}),
    ],
    ids=["one header", "the line", "many headers"],
)
async def test_large_heads_are_refused(system: System, large: bytes) -> None:
    """With a 431."""
    assert (await answer(system, "point", large)).startswith(b"HTTP/1.1 431 ")


async def test_endless_heads_end(system: System) -> None:
    """A header without an end is not collected: 20 MB of it are not even taken."""
    found = await answer(system, "point", b"GET /livez HTTP/1.1\r\nX: ", *[b"x" * PAGE] * 20)

    assert found == b"" or found.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "half",
    [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\n", head("POST", "/x", Authorization="Bearer {}", Content_Length="5")],
    ids=["nothing", "half a head", "half a body"],
)
async def test_slow_clients_are_dropped(system: System, fan: Fan, half: bytes) -> None:
    """Who sends half a request, or none, does not keep a connection; the body gets a 408."""
    found = await answer(system, "point", half.replace(b"{}", fan.token.encode()))

    assert found == b"" or found.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 "))


async def test_drip_by_drip_is_no_way_around_it(system: System) -> None:
    """The time counts from the beginning of a head, and not from its last byte."""
    async with wire(system, "point") as (reader, writer):
        writer.write(b"GET /livez HTTP/1.1\r\n")
        ended = asyncio.create_task(reader.read())
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 3 * HEAD_SECONDS
        with contextlib.suppress(ConnectionError):
            while not ended.done() and loop.time() < deadline:
                writer.write(b"X: y\r\n")
                await writer.drain()
                await asyncio.wait([ended], timeout=1)

    assert ended.done()


def unread(count: int, **more: str) -> bytes:
    """Questions with long answers, the last with something more."""
    return head("GET", LONG) * (count - 1) + head("GET", LONG, **more)


@in_our_stack
@pytest.mark.parametrize("part", [b"a: b\r\n" * 10_000, b"x" * 60_000], ids=["many", "one"])
@pytest.mark.parametrize("knows", [False, True], ids=["stranger", "fan"])
async def test_trailers_have_an_end(system: System, fan: Fan, part: bytes, knows: bool) -> None:
    """A gigabyte of them is neither kept nor taken, nor waits behind answers that nobody reads."""
    before = resident(system, "point")
    begun = (
        head("POST", "/points/charge", Authorization=f"Bearer {fan.token}", Transfer_Encoding="chunked")
        if knows
        else unread(6, Transfer_Encoding="chunked")
    )
    with contextlib.closing(few(system, "point")) as thin:
        thin.sendall(begun + b"0\r\na: ")
        taken = await asyncio.to_thread(pour, thin, part, 1024 * PAGE)

        assert taken < 64 * PAGE
        assert resident(system, "point") - before < GROWN_MOST


@in_our_stack
async def test_who_reads_nothing_is_dropped(system: System) -> None:
    """With all that waits to be sent."""
    with contextlib.closing(few(system, "point")) as thin:
        thin.sendall(unread(2))

        async def is_kept() -> bool:
            return is_established(thin)

        assert await is_kept()
        await eventually(is_kept, lambda kept: not kept, within=3 * WRITE_SECONDS)


async def test_one_address_leaves_room_for_others(environment: Mapping[str, str], system: System) -> None:
    """However many connections it opens."""
    async with strict(environment, system, "point") as url, contextlib.AsyncExitStack() as opened:
        place = urlsplit(url)
        assert place.hostname is not None
        assert place.port is not None
        wires = [await asyncio.open_connection(place.hostname, place.port) for _ in range(MANY)]
        for _, writer in wires:
            opened.callback(writer.close)
        turned_away = await asyncio.gather(*(is_closed(reader) for reader, _ in wires))
        elsewhere = httpx2.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx2.AsyncClient(transport=elsewhere) as other:
            answer = await other.get(f"{url}/livez")

    assert sum(turned_away) >= MANY - int(STRICT["ADDRESS_CONNECTIONS"])
    assert answer.status_code == 200


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/docs", "/nothing"])
async def test_answers_tell_browsers_what_not_to_do(system: System, service: str, path: str) -> None:
    """And nobody what serves them."""
    headers = (await system.ask("GET", service, path)).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "server" not in headers


@pytest.mark.parametrize("service", SERVICES)
async def test_strangers_learn_no_details(system: System, fan: Fan, service: str) -> None:
    """Whether a service does its part is for everybody; why not, and what it counts, for those who watch it."""
    stranger, other = await system.ask("GET", service, "/readyz"), await fan.ask("GET", service, "/readyz")
    monitor = await system.watch(service, "/readyz")

    assert stranger.json() == other.json() == {"status": "ready"}
    assert monitor.json()["database"] == "ok"
    assert [
        (await system.ask("GET", service, "/metrics")).status_code,
        (await fan.ask("GET", service, "/metrics")).status_code,
        (await system.watch(service, "/metrics")).status_code,
    ] == [401, 403, 200]


@pytest.mark.parametrize("service", SERVICES)
async def test_pages_load_nothing_from_elsewhere(system: System, service: str) -> None:
    """All that `/docs` needs comes from the service itself."""
    page = (await system.ask("GET", service, "/docs")).text

    assert "https://" not in page
    assert "http://" not in page
