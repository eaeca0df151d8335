"""A TCP proxy between a service and its broker or database, which can do to their connections what networks do."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

from tests.chaos.frames import Frames, Redeliveries, method

_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)
HERE = "127.0.0.1"


@dataclass
class Weather:
    """What happens to everything that passes. As it is made, nothing does."""

    holds: bool = False
    """Nothing gets through, and nobody is told: a black hole, until it is over"""
    delay: float = 0.0
    """Seconds that each piece takes longer"""
    rate: float = 0.0
    """Octets per second and direction; 0 is no limit"""
    loses: tuple[int, int] | None = None
    """The AMQP method that does not arrive"""
    loses_upwards: bool = False
    """Whether that is lost on the way to the broker, else on the way from it"""
    resets_on_loss: bool = False
    """Whether the connection breaks when something is lost"""
    lost: int = 0
    """How much was lost so far"""
    cleared: asyncio.Event = field(default_factory=asyncio.Event)


class Line:
    """One connection through a gate."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near, self.far = near, far
        self.is_half_open = False

    def reset(self) -> None:
        """Break it: both ends are told that the other is gone."""
        for end in (self.near, self.far):
            _reset(end)

    def half_open(self) -> None:
        """Lose the far end, without telling the near one, which hears nothing more."""
        self.is_half_open = True
        _reset(self.far)


class Gate:
    """Listens on a port of its own, and passes on to the port that `target` names at the time of a connection.

    What passes to and from a broker is cut into frames, of which single ones can be lost.
    """

    def __init__(self, target: Callable[[], int], *, to_broker: bool) -> None:
        self._target = target
        self._to_broker = to_broker
        self._lines: set[Line] = set()
        self.weather = Weather()
        self.redelivered: list[str] = []
        """The ids of the events that the broker has delivered again"""
        self.port = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Let connections through while the context lasts."""
        tasks: set[asyncio.Task[None]] = set()

        def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._meet(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(meet, HERE, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def turn(self, weather: Weather) -> None:
        """Change the weather, for the connections that stand as well."""
        old, self.weather = self.weather, weather
        old.cleared.set()

    def lead(self, target: Callable[[], int]) -> None:
        """Pass new connections on to another port."""
        self._target = target

    def reset(self) -> int:
        """Break every connection; says how many."""
        return self._do(Line.reset)

    def half_open(self) -> int:
        """Lose the far end of every connection in silence; says of how many."""
        return self._do(Line.half_open)

    def _do(self, what: Callable[[Line], None]) -> int:
        lines = [line for line in self._lines if not line.is_half_open]
        for line in lines:
            what(line)
        return len(lines)

    async def _meet(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        try:
            far_reader, far = await asyncio.open_connection(HERE, self._target())
        except OSError:
            _reset(near)
            return
        line = Line(near, far)
        self._lines.add(line)
        ways = [self._pass(line, reader, far, upwards=True), self._pass(line, far_reader, near, upwards=False)]
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if line.is_half_open:
                await asyncio.wait(tasks[:1])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._lines.discard(line)
            for end in (near, far):
                end.close()

    async def _pass(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upwards: bool
    ) -> None:
        through = self._frame_by_frame(line, upwards=upwards) if self._to_broker else bytes
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if line.is_half_open:
                    continue
                await self._suffer(len(data))
                writer.write(through(data))
                await writer.drain()

    async def _suffer(self, size: int) -> None:
        while (weather := self.weather).holds:
            await weather.cleared.wait()
        pause = weather.delay + (size / weather.rate if weather.rate else 0)
        if pause:
            await asyncio.sleep(pause)

    def _frame_by_frame(self, line: Line, *, upwards: bool) -> Callable[[bytes], bytes]:
        """Looks at each frame of one direction of a connection; returns what is let through of some data."""
        frames, redeliveries = Frames(), Redeliveries()

        def through(data: bytes) -> bytes:
            cut = list(frames.cut(data))
            if not upwards:
                self.redelivered += filter(None, map(redeliveries.see, cut))
            return self._lose(line, cut, upwards=upwards)

        return through

    def _lose(self, line: Line, frames: Iterable[bytes], *, upwards: bool) -> bytes:
        """What is left of the frames when those that get lost are taken out."""
        weather, kept = self.weather, []
        loses = weather.loses if weather.loses_upwards == upwards else None
        for frame in frames:
            if loses is None or method(frame) != loses:
                kept.append(frame)
                continue
            weather.lost += 1
            if weather.resets_on_loss:
                line.reset()
                return b""
        return b"".join(kept)


def _reset(end: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    with contextlib.suppress(OSError):
        sock = end.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    end.transport.abort()
