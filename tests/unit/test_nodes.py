"""A broker with several nodes is found as long as one of them is there."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pamqp.frame
import pytest
from aio_pika.abc import AbstractConnection
from pamqp.commands import Connection as Said

from chassis.broker import nodes as finding
from chassis.broker.connection import supervise
from chassis.broker.nodes import Node, Nodes, connect
from chassis.errors import SessionEndedError

LONG = 10.0


class FakeNode:
    """A node that lets everybody in, and nothing else."""

    def __init__(self) -> None:
        self.port = 0
        self.visits = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Shake hands with one client, as the protocol says."""
        self.visits += 1
        self._writers.append(writer)
        await reader.readexactly(8)
        _say(writer, Said.Start(server_properties={}, mechanisms="PLAIN", locales="en_US"), 0)
        while frame := await _heard(reader):
            if isinstance(frame, Said.StartOk):
                _say(writer, Said.Tune(channel_max=10, frame_max=131072, heartbeat=10), 0)
            elif isinstance(frame, Said.Open):
                _say(writer, Said.OpenOk(), 0)
            elif isinstance(frame, Said.Close):
                _say(writer, Said.CloseOk(), 0)
        writer.close()

    def die(self) -> None:
        """End all connections, as the end of a node does."""
        for writer in self._writers:
            writer.transport.abort()


def _say(writer: asyncio.StreamWriter, frame: Any, channel: int) -> None:
    writer.write(pamqp.frame.marshal(frame, channel))


async def _heard(reader: asyncio.StreamReader) -> Any:
    try:
        head = await reader.readexactly(7)
        rest = await reader.readexactly(int.from_bytes(head[3:7], "big") + 1)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return pamqp.frame.unmarshal(head + rest)[2]


@asynccontextmanager
async def living() -> AsyncIterator[FakeNode]:
    """A node that listens while the context lasts."""
    node = FakeNode()
    server = await asyncio.start_server(node.serve, "127.0.0.1", 0)
    node.port = server.sockets[0].getsockname()[1]
    try:
        yield node
    finally:
        server.close()
        node.die()


@contextmanager
def silent() -> Iterator[int]:
    """The port of a node that is frozen: its machine takes connections, and nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def dead() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def url_of(*ports: int) -> str:
    """An address with several hosts."""
    return f"amqp://lamp:secret@{','.join(f'127.0.0.1:{port}' for port in ports)}/"


@pytest.fixture(autouse=True)
def _in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where to begin is chosen by chance; here the first one named is the first."""
    monkeypatch.setattr(random, "shuffle", lambda _: None)


async def test_dead_node_is_passed_over() -> None:
    """The next one is tried at once."""
    async with living() as node, asyncio.timeout(LONG):
        connection = await connect(url_of(dead(), dead(), node.port))
        assert node.visits == 1
        await connection.close()


async def test_silent_node_takes_its_own_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that accepts and says nothing has not the seconds of all."""
    monkeypatch.setattr(finding, "NODE_TIMEOUT", 0.2)
    with silent() as port:
        async with living() as node, asyncio.timeout(LONG / 2):
            connection = await connect(url_of(port, node.port), seconds=LONG)
            assert node.visits == 1
            await connection.close()


async def test_patience_grows_while_no_node_lets_us_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may all be alive, and slower than usual."""
    # given
    patience: list[float] = []

    async def slow(_: Node, _name: str | None, seconds: float) -> AbstractConnection:
        patience.append(seconds)
        raise TimeoutError

    monkeypatch.setattr(finding, "_connect", slow)
    nodes = Nodes()
    # when
    for _ in range(4):
        with pytest.raises(TimeoutError):
            await nodes.connect(url_of(1, 2))
    # then
    assert patience == [2.5, 2.5, 5.0, 5.0, 10.0, 10.0, 10.0, 10.0]


async def test_session_goes_on_at_another_node() -> None:
    """When the node of a connection ends it, the next connection leads elsewhere: that node comes last, if at all."""
    # given
    began, visited = asyncio.Queue[int](), list[int]()

    async def serve(connection: AbstractConnection) -> None:
        assert connection.transport is not None
        port = connection.transport.connection.url.port or 0
        visited.append(port)
        began.put_nowait(port)
        await asyncio.wait([connection.transport.connection.closing])
        raise SessionEndedError("over")

    async with living() as one, living() as two:
        task = asyncio.create_task(supervise(lambda: url_of(one.port, two.port), "lamp", serve, lambda _: None))
        async with asyncio.timeout(LONG):
            assert await began.get() == one.port
            # when
            one.die()
            # then
            assert await began.get() == two.port
        assert one.visits == 1, "it may still listen, and be about to end"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_each_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the name of a whole cluster has them; what the certificate has to name is still the name."""
    # given
    tried: list[Node] = []

    async def resolved(_: Any, name: str, port: int, **_more: Any) -> list[Any]:
        return [(0, 0, 0, "", (f"10.0.0.{number}", port)) for number in (1, 2, 3)]

    async def refused(node: Node, _name: str | None, _seconds: float) -> AbstractConnection:
        tried.append(node)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", resolved)
    monkeypatch.setattr(finding, "_connect", refused)
    # when
    with pytest.raises(ConnectionRefusedError):
        await connect("amqps://lamp:secret@cluster/")
    # then
    assert [node.where for node in tried] == ["10.0.0.1:5671", "10.0.0.2:5671", "10.0.0.3:5671"]
    assert {node.url for node in tried} == {"amqps://lamp:secret@cluster/"}


async def test_what_the_broker_says_is_told_before_what_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password is what an operator has to know."""
    # given
    errors = [ConnectionRefusedError("no"), WrongPasswordError("wrong password"), ConnectionRefusedError("no")]

    async def failing(*_: Any) -> AbstractConnection:
        raise errors.pop()

    monkeypatch.setattr(finding, "_connect", failing)
    # then
    with pytest.raises(WrongPasswordError):
        await connect(url_of(1, 2, 3))


class WrongPasswordError(Exception):
    """What a node answers."""
