"""Nodes: the ways to the broker that an address names, tried in turn until one leads there.

An address may name several hosts, and a name may lead to several addresses. Where to begin is chosen anew each time, so
that the processes spread over the nodes; the one that was used last comes last, because its session has just ended.
"""

import asyncio
import random
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

from chassis.addresses import each_of
from chassis.errors import describe

log = structlog.get_logger(__name__)

HEARTBEAT = 10
CONNECT_TIMEOUT = 10
NODE_TIMEOUT = 2.5
"""Seconds for one of several nodes to let us in, twice as many after each round in which none did: it may be busy"""
PORTS = {"amqp": 5672, "amqps": 5671}


class Node(NamedTuple):
    """One way to the broker."""

    url: str
    """The address of its host alone"""
    host: str
    """The address of the network that it leads to"""

    @property
    def where(self) -> str:
        """The node as a log line names it."""
        return f"{self.host}:{_port(URL(self.url))}"


class Nodes:
    """The ways to the broker, as one session after the other knows them."""

    def __init__(self) -> None:
        self._last: Node | None = None
        self._failed = 0

    async def connect(self, url: str, name: str | None = None, seconds: float = CONNECT_TIMEOUT) -> AbstractConnection:
        """A connection over the first way that leads to the broker; one way alone has all the seconds.

        Raises what the last one has failed with, else what the broker itself has said.
        """
        nodes = await self._in_turn(url, seconds)
        patience = seconds if len(nodes) == 1 else min(seconds, NODE_TIMEOUT * 2**self._failed)
        errors = list[Exception]()
        for node in nodes:
            try:
                connection = await _connect(node, name, patience)
            except Exception as error:  # noqa: BLE001  # whatever it is, another node may be well
                errors.append(error)
                if len(nodes) > 1:
                    log.info("broker node does not let us in", node=node.where, error=describe(error))
            else:
                self._last, self._failed = node, 0
                return connection
        self._failed += 1
        raise min(reversed(errors), key=lambda error: isinstance(error, OSError))

    async def _in_turn(self, url: str, seconds: float) -> list[Node]:
        nodes = await _found(each_of(url), seconds)
        random.shuffle(nodes)
        return sorted(nodes, key=lambda node: node == self._last)


async def connect(url: str, seconds: float = CONNECT_TIMEOUT) -> AbstractConnection:
    """A connection to any node of an address."""
    return await Nodes().connect(url, seconds=seconds)


async def _found(urls: Sequence[str], seconds: float) -> list[Node]:
    """Where the hosts lead; raises OSError when that is nowhere."""
    errors, nodes = list[OSError](), dict[Node, None]()
    for url in urls:
        try:
            nodes |= dict.fromkeys(Node(url, host) for host in await _addresses(URL(url), seconds))
        except OSError as error:
            errors.append(error)
    if not nodes:
        raise errors[-1]
    return list(nodes)


async def _addresses(url: URL, seconds: float) -> list[str]:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        found = await loop.getaddrinfo(url.host or "", _port(url), type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _port(url: URL) -> int:
    return url.port or PORTS.get(url.scheme, 5672)


async def _connect(node: Node, name: str | None, seconds: float) -> AbstractConnection:
    properties: Any = None if name is None else {"connection_name": name}
    url = URL(node.url).update_query(heartbeat=HEARTBEAT)
    connection = aio_pika.Connection(url, client_properties=properties)
    connection.kwargs["transport_factory"] = _Way(node.host)
    async with asyncio.timeout(seconds):
        await connection.connect(timeout=seconds)
    return connection


class _Way(TransportFactory):
    """Goes to one address of a host; its certificate has to name the host."""

    def __init__(self, host: str) -> None:
        self._host = host

    async def create(self, url: URL, **more: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        provider = more.pop("ssl_context_provider")
        tls: dict[str, Any] = {}
        if url.scheme == "amqps":
            tls = {"ssl": await provider.get_context(), "server_hostname": url.host}
        try:
            return await asyncio.open_connection(self._host, _port(url), **tls, **more)
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
