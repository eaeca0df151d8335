"""A small service that is asked over real connections, by clients who may do as they like."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from uvicorn.server import ServerState

from chassis.web import problem
from chassis.web.protocol import BoundedProtocol
from chassis.web.rates import Rates
from chassis.web.serve import Server

HERE = "127.0.0.1"
LONG = 5.0
CHUNKED = b"POST /lamps HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET /lamps HTTP/1.1\r\nHost: x\r\n\r\n"
Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Lamps:
    """A service that is asked over real connections."""

    port: int
    state: ServerState
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether it answers, or waits"""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether an answer without end has ended"""
    asked: list[bytes] = field(default_factory=list)
    """The bodies of all requests"""

    @contextlib.asynccontextmanager
    async def wire(self, limit: int = 1 << 16) -> AsyncIterator[Wire]:
        """A bare connection."""
        reader, writer = await asyncio.open_connection(HERE, self.port, limit=limit)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def answer(self, *parts: bytes) -> bytes:
        """What comes back until the connection ends."""
        async with self.wire() as (reader, writer):
            for part in parts:
                writer.write(part)
            return await until_the_end(reader)

    @property
    def connections(self) -> set[BoundedProtocol]:
        """Those that are open."""
        return cast("set[BoundedProtocol]", self.state.connections)

    @property
    def one(self) -> BoundedProtocol:
        """The only connection."""
        (found,) = self.connections
        return found


async def until_the_end(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side ends the connection."""
    found = b""
    async with asyncio.timeout(LONG):
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(1 << 16):
                found += part
    return found


@contextlib.asynccontextmanager
async def serving(closed: str | None = None, **limits: int) -> AsyncIterator[Lamps]:
    """A service, whose door may be closed."""
    app = FastAPI()
    problem.install(app)
    app.state.runtime = SimpleNamespace(door=SimpleNamespace(closed=closed))
    app.state.rates = Rates(100, limits.pop("requests", 100))
    settings = SimpleNamespace(max_connections=100, address_connections=100, keep_alive_seconds=75)
    vars(settings).update(limits)
    config = Server(app, cast("Any", settings)).config
    config.load()
    state, protocol = ServerState(), cast("Any", config.http_protocol_class)
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), HERE, 0
    )
    found = Lamps(server.sockets[0].getsockname()[1], state)
    found.answers.set()

    _answer(app, found)
    _fail(app)
    async with server:
        yield found
        for connection in list(state.connections):
            connection.transport.abort()


def _answer(app: FastAPI, found: Lamps) -> None:
    """What the service answers."""

    @app.api_route("/lamps", methods=["GET", "POST"])
    async def one(request: Request) -> str:
        found.asked.append(await request.body())
        await found.answers.wait()
        return "lit"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * (1 << 16)
                    await asyncio.sleep(0)
            finally:
                found.ended.set()

        return StreamingResponse(parts())

    @app.get("/large")
    async def large() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(200):
                yield b"x" * (1 << 16)

        return StreamingResponse(parts())


def _fail(app: FastAPI) -> None:
    """What the service fails with."""

    @app.get("/broken")
    async def broken() -> str:
        raise ZeroDivisionError

    @app.get("/half")
    async def half() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"x"
            raise ZeroDivisionError

        return StreamingResponse(parts())
