"""The lines between the nodes of a cluster: a gate for each node and each other, so that some can be cut.

A node asks the port mapper where another one listens, and is told of the gate that stands before it. See "Distribution
Protocol" in the documentation of Erlang, for the messages that are read here.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import permutations

from stack.servers.rabbitmq import node_name
from tests.chaos.gate import HERE, Gate, Weather
from tests.chaos.programs import Programs

_ASKS_FOR_NAMES = b"n"
_ASKS_FOR_PORT, _TELLS_PORT, _FOUND = b"z", 119, 0
_LENGTH = 2


@dataclass(frozen=True)
class Answer:
    """What the port mapper says to the question where a node is."""

    octets: bytes

    def at(self, port: int) -> bytes:
        """The same, with another port, if the node was found."""
        is_found = len(self.octets) > 4 and (self.octets[0], self.octets[1]) == (_TELLS_PORT, _FOUND)
        return self.octets[:2] + port.to_bytes(2) + self.octets[4:] if is_found else self.octets


class Wires:
    """All lines between the nodes, and for each node a port mapper that leads it to them."""

    def __init__(self, programs: Programs, nodes: Iterable[int]) -> None:
        self.nodes = tuple(nodes)
        self._programs = programs
        self._gates = {pair: Gate(self._port_of(pair[1]), to_broker=False) for pair in permutations(self.nodes, 2)}
        self._numbers = {node_name(number).partition("@")[0].encode(): number for number in self.nodes}
        self._mappers: dict[int, int] = {}

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Have them all while the context lasts."""
        async with contextlib.AsyncExitStack() as opened:
            for gate in self._gates.values():
                await opened.enter_async_context(gate.open())
            for number in self.nodes:
                server = await asyncio.start_server(self._mapping_for(number), HERE, 0)
                opened.callback(server.close)
                self._mappers[number] = server.sockets[0].getsockname()[1]
            yield

    @property
    def variables(self) -> dict[str, str]:
        """With these a stack leads its nodes over the wires."""
        return {f"RABBITMQ_{number}_EPMD_VIA": str(port) for number, port in self._mappers.items()}

    @contextlib.asynccontextmanager
    async def cut(self, number: int) -> AsyncIterator[int]:
        """Let nothing through between a node and the others, and tell nobody, while the context lasts."""
        gates = [gate for pair, gate in self._gates.items() if number in pair]
        for gate in gates:
            gate.turn(Weather(holds=True))
        try:
            yield len(gates)
        finally:
            for gate in gates:
                gate.turn(Weather())

    def _port_of(self, number: int) -> Callable[[], int]:
        return lambda: self._programs.port(f"distribution-{number}")

    def _mapping_for(self, asker: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def meet(reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(near):
                length = await reader.readexactly(_LENGTH)
                request = await reader.readexactly(int.from_bytes(length))
                far_reader, far = await asyncio.open_connection(HERE, self._programs.port("epmd"))
                with contextlib.closing(far):
                    far.write(length + request)
                    number = self._numbers.get(request[1:])
                    if request[:1] == _ASKS_FOR_PORT and number not in (None, asker):
                        gate = self._gates[asker, number]
                        near.write(Answer(await far_reader.read()).at(gate.port))
                        await near.drain()
                    elif request == _ASKS_FOR_NAMES:
                        # It begins with the port of the mapper, which has to be the one that was asked.
                        named = await far_reader.read()
                        near.write(self._mappers[asker].to_bytes(4) + named[4:])
                        await near.drain()
                    else:
                        # A node is known for as long as the connection stands over which it has said so.
                        await asyncio.gather(_copy(reader, far), _copy(far_reader, near))

        return meet


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 12):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
