"""The proxy between a service and what it needs: it passes everything on, unless it is told to do harm."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from pamqp.commands import Basic
from pamqp.frame import marshal
from pamqp.header import ContentHeader

from tests.chaos.frames import BASIC_ACK, Frames, Redeliveries, method
from tests.chaos.gate import HERE, Gate, Weather

ACK = b"\x01\x00\x01\x00\x00\x00\x0d" + b"\x00\x3c\x00\x50" + b"\x00" * 9 + b"\xce"
OTHER = b"\x03\x00\x01\x00\x00\x00\x02hi\xce"
MOMENT = 0.2


@contextlib.asynccontextmanager
async def _echo() -> AsyncIterator[int]:
    """The port of a server that sends back what it gets."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1024):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(answer, HERE, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def _through(
    *, to_broker: bool = False
) -> AsyncIterator[tuple[Gate, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A gate before an echo, and a connection through it."""
    async with _echo() as port:
        gate = Gate(lambda: port, to_broker=to_broker)
        async with gate.open():
            reader, writer = await asyncio.open_connection(HERE, gate.port)
            try:
                yield gate, reader, writer
            finally:
                writer.close()


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_frames_are_cut_wherever_the_network_cuts(size: int) -> None:
    """The frames are the same in whatever pieces they arrive."""
    stream, frames = b"AMQP\x00\x00\x09\x01" + OTHER + ACK + OTHER, Frames()

    cut = [frame for at in range(0, len(stream), size) for frame in frames.cut(stream[at : at + size])]

    assert cut == [b"AMQP\x00\x00\x09\x01", OTHER, ACK, OTHER]
    assert [method(frame) for frame in cut] == [None, None, BASIC_ACK, None]


def test_events_that_come_again_are_seen() -> None:
    """Of two events that are delivered, the one that had been delivered before is named."""
    properties = Basic.Properties(message_id="1", headers={"ce-type": "a.b.v1", "ce-id": "second"})
    headers = [ContentHeader(body_size=0, properties=Basic.Properties(headers={"ce-id": "first"}))]
    headers.append(ContentHeader(body_size=0, properties=properties))
    deliveries = [Basic.Deliver("ctag", number, again, "a", "a.b") for number, again in enumerate((False, True))]
    stream = b"".join(marshal(frame, 3) for pair in zip(deliveries, headers, strict=True) for frame in pair)

    redeliveries = Redeliveries()
    seen = [redeliveries.see(frame) for frame in Frames().cut(stream)]

    assert seen == [None, None, None, "second"]


async def test_gate_passes_on() -> None:
    """What goes in comes out."""
    async with _through() as (_, reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"


async def test_black_hole_keeps_everything_until_it_is_over() -> None:
    """Nothing comes out of a black hole, and nothing is missing afterwards."""
    async with _through() as (gate, reader, writer):
        gate.turn(Weather(holds=True))
        writer.write(b"hello")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), MOMENT)
        gate.turn(Weather())
        assert await reader.readexactly(5) == b"hello"


async def test_reset_is_heard() -> None:
    """A reset ends a connection with an error."""
    async with _through() as (gate, reader, writer):
        writer.write(b"x")
        await reader.readexactly(1)
        assert gate.reset() == 1
        with pytest.raises(ConnectionResetError):
            await reader.read(1)


async def test_half_open_connection_is_silent() -> None:
    """A half-open connection takes everything and never answers; others can be made."""
    async with _through() as (gate, reader, writer):
        writer.write(b"x")
        await reader.readexactly(1)
        assert gate.half_open() == 1
        writer.write(b"hello")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), MOMENT)
        assert gate.half_open() == 0


async def test_single_frames_get_lost() -> None:
    """The acknowledgement is lost on the way, and what surrounds it arrives."""
    async with _through(to_broker=True) as (gate, reader, writer):
        gate.turn(weather := Weather(loses=BASIC_ACK, loses_upwards=True))
        writer.write(OTHER + ACK + OTHER)
        assert await reader.readexactly(2 * len(OTHER)) == OTHER + OTHER
        assert weather.lost == 1


async def test_gate_can_be_led_elsewhere() -> None:
    """New connections go where it leads now; those that stand go on."""
    async with _through() as (gate, reader, writer), _echo() as elsewhere:
        writer.write(b"x")
        await reader.readexactly(1)
        gate.lead(lambda: elsewhere)
        writer.write(b"y")
        assert await reader.readexactly(1) == b"y"
        other_reader, other = await asyncio.open_connection(HERE, gate.port)
        other.write(b"z")
        assert await other_reader.readexactly(1) == b"z"
        other.close()
