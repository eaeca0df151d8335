"""The wires between the nodes of a cluster: a node is told of a gate instead of the node that it asks for."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.chaos.drill import longest_gap
from tests.chaos.gate import HERE
from tests.chaos.programs import Programs
from tests.chaos.wires import Wires

MOMENT = 0.2
Meet = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def _wired(path: Path) -> AsyncIterator[Wires]:
    """Wires between two nodes that send back what they get, both of which a port mapper knows."""
    async with contextlib.AsyncExitStack() as opened:
        ports = {f"distribution-{number}": await opened.enter_async_context(_served(_echo)) for number in (1, 2)}

        async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            if request == b"n":
                writer.write(ports["epmd"].to_bytes(4) + b"name concert at port 1\n")
                writer.close()
                return
            known = {b"zconcert": 1, b"zconcert-2": 2}.get(request)
            port = ports[f"distribution-{known}"].to_bytes(2) if known else b""
            writer.write((b"w\x00" + port + b"rest") if known else b"w\x01")
            writer.close()

        ports["epmd"] = await opened.enter_async_context(_served(tell))
        (path / "ports.json").write_text(json.dumps(ports))
        wires = Wires(Programs(path), (1, 2))
        await opened.enter_async_context(wires.open())
        yield wires


@contextlib.asynccontextmanager
async def _served(meet: Meet) -> AsyncIterator[int]:
    server = await asyncio.start_server(meet, HERE, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1024):
            writer.write(data)
    writer.close()


async def _asked(wires: Wires, asker: int, name: bytes) -> bytes:
    """What a node is told where another one is."""
    reader, writer = await asyncio.open_connection(HERE, int(wires.variables[f"RABBITMQ_{asker}_EPMD_VIA"]))
    request = b"z" + name
    writer.write(len(request).to_bytes(2) + request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_node_is_led_over_a_gate(tmp_path: Path) -> None:
    """What it is told has the form of the port mapper, and leads to the other node all the same."""
    async with _wired(tmp_path) as wires:
        answer = await _asked(wires, 1, b"concert-2")
        reader, writer = await asyncio.open_connection(HERE, int.from_bytes(answer[2:4]))
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()

    assert (answer[:2], answer[4:]) == (b"w\x00", b"rest")
    assert int.from_bytes(answer[2:4]) != Programs(tmp_path).port("distribution-2")


async def test_a_mapper_says_that_it_is_the_one_that_was_asked(tmp_path: Path) -> None:
    """A node believes nothing of a mapper that names another port than its own."""
    async with _wired(tmp_path) as wires:
        port = int(wires.variables["RABBITMQ_1_EPMD_VIA"])
        reader, writer = await asyncio.open_connection(HERE, port)
        writer.write(b"\x00\x01n")
        answer = await reader.read()
        writer.close()

    assert answer == port.to_bytes(4) + b"name concert at port 1\n"


async def test_a_node_that_nobody_knows_is_not_found(tmp_path: Path) -> None:
    """The port mapper's refusal is passed on as it is."""
    async with _wired(tmp_path) as wires:
        assert await _asked(wires, 1, b"concert-3") == b"w\x01"


async def test_a_wire_that_is_cut_is_silent(tmp_path: Path) -> None:
    """Nothing passes and nobody is told, until it is mended."""
    async with _wired(tmp_path) as wires:
        reader, writer = await asyncio.open_connection(HERE, int.from_bytes((await _asked(wires, 2, b"concert"))[2:4]))
        async with wires.cut(1) as lines:
            writer.write(b"hello")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), MOMENT)
        assert await reader.readexactly(5) == b"hello"
        writer.close()

    assert lines == 2


def test_the_longest_gap_is_between_neighbours() -> None:
    """In whatever order the moments come; one alone has no gap."""
    began = datetime(2026, 11, 27, tzinfo=UTC)
    moments = [began + timedelta(seconds=after) for after in (9, 0, 1, 4)]

    assert longest_gap(moments) == 5
    assert longest_gap(moments[:1]) is None
