"""A process of a service beside the stack's own, with settings of the test's choice."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping

import httpx2

from stack.services import SERVICES
from tests.end_to_end.system import System

HERE = "127.0.0.1"
OUR_VARIABLES = (*(f"{service.upper()}_" for service in SERVICES), "TOKEN_", "RABBITMQ_")


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as claimed:
        claimed.bind((HERE, 0))
        return int(claimed.getsockname()[1])


async def start(settings: Mapping[str, str], service: str = "point") -> asyncio.subprocess.Process:
    """The process, with these settings and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OUR_VARIABLES)}
    return await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", f"{service}_svc.main"],
        env={**inherited, **settings},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


@contextlib.asynccontextmanager
async def started(settings: Mapping[str, str], service: str = "point") -> AsyncIterator[asyncio.subprocess.Process]:
    """The process, which has to end in order at the end of the context."""
    process = await start(settings, service)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == -signal.SIGTERM  # uvicorn ends in order, and then by the signal itself
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def readiness(port: int, system: System) -> dict[str, object]:
    """What `/readyz` says to whoever watches; empty while nothing answers."""
    try:
        answer: dict[str, object] = (await system.watch("point", "/readyz", at=f"http://{HERE}:{port}")).json()
    except httpx2.TransportError:
        return {}
    return answer


@contextlib.asynccontextmanager
async def forwarding(port: int, target: int) -> AsyncIterator[None]:
    """Pass connections on from one port to another while the context lasts."""
    tasks: set[asyncio.Task[None]] = set()

    async def forward(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_connection(HERE, target)
        for one in (_pour(near, forth), _pour(far, back)):
            tasks.add(asyncio.create_task(one))

    server = await asyncio.start_server(forward, HERE, port)
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(ConnectionError):
            while piece := await source.read(1 << 16):
                sink.write(piece)
                await sink.drain()
    finally:
        sink.close()
        with contextlib.suppress(ConnectionError):
            await sink.wait_closed()
