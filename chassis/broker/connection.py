"""Connections to RabbitMQ: plain ones, supervised, and rebuilt whenever any part of them ends.

aio-pika's robust connections can come back without their consumers (its issues 231, 588, 626, 632), so nothing
here tries to repair a connection: it is closed, and a new one is set up from the declarations.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from aiormq.exceptions import AuthenticationError, InvalidFrameError

from chassis.broker.nodes import Nodes
from chassis.choreography.topology import Queue, Topology
from chassis.errors import SessionEndedError, describe

log = structlog.get_logger(__name__)

CALL_TIMEOUT = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0

Answer = TypeVar("Answer")
Serve = Callable[[AbstractConnection], Awaitable[None]]
Report = Callable[[str], None]


@contextlib.contextmanager
def cancelled_by_nobody() -> Iterator[None]:
    """Turn a CancelledError that nobody asked for into a SessionEndedError.

    aiormq gives up a connection without heartbeats by cancelling its reader, and hands that CancelledError to
    everybody who waits for an answer. Let through, it would end the caller's task as if it had been asked to stop.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise SessionEndedError("the connection was given up") from error


class Pauses:
    """The waits between attempts: they grow, with jitter, up to five seconds, and start anew after one that stood."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE
        self._began = _now()

    def begin(self) -> None:
        """An attempt begins."""
        self._began = _now()

    @property
    def is_first(self) -> bool:
        """Whether the attempt that has ended stood for a while, so that its end is news."""
        return _now() - self._began > LONGEST_PAUSE

    async def wait(self) -> None:
        """Wait before the next attempt."""
        self._next = FIRST_PAUSE if self.is_first else min(self._next * 2, LONGEST_PAUSE)
        await asyncio.sleep(random.uniform(self._next / 2, self._next))  # noqa: S311  # jitter, no secret


async def supervise(url: Callable[[], str], name: str, serve: Serve, report: Report) -> None:
    """Keep a connection in use: `serve` it until that ends or fails, tear it down, connect again.

    `url` is asked anew for each connection, and may name several hosts (`chassis.broker.nodes`).

    Returns when `serve` returns, which means that it was asked to stop. `report` gets why each session ended.
    """
    pauses, nodes, known = Pauses(), Nodes(), ""
    while True:
        pauses.begin()
        try:
            with cancelled_by_nobody():
                return await _session(await nodes.connect(url(), name), name, serve)
        except Exception as error:  # noqa: BLE001  # whatever it was, the answer is a new session
            report(reason := reason_of(error))
            is_known = reason == known and not pauses.is_first
            (log.debug if is_known else log.warning)("broker session ended", session=name, error=reason)
            known = reason
        await pauses.wait()


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _session(connection: AbstractConnection, name: str, serve: Serve) -> None:
    log.info("broker session begins", session=name)
    try:
        await serve(connection)
    finally:
        await _close(connection)


async def _close(connection: AbstractConnection) -> None:
    """Close, without waiting long for a peer that may be gone."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT / 5):
            await connection.close()
    except Exception as error:  # noqa: BLE001  # it is thrown away either way
        log.debug("broker connection did not close cleanly", error=describe(error))


def has_ended(connection: AbstractConnection) -> bool:
    """Whether the connection is over, whoever has ended it; `is_closed` of aio-pika knows only of our own closing."""
    return connection.transport is None or connection.transport.connection.is_closed


async def until_closed(connection: AbstractConnection, channel: AbstractChannel) -> None:
    """Wait for the end of either; raises SessionEndedError."""
    if connection.transport is not None:
        ends = [asyncio.ensure_future(connection.transport.connection.closing), asyncio.ensure_future(channel.closed())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
    raise SessionEndedError("connection closed" if has_ended(connection) else "channel closed")


async def declare(connection: AbstractConnection, wanted: Topology) -> None:
    """Declare what a service needs; fails as long as an exchange of another service does not exist yet.

    Each declaration has its own time to be answered: together they may take long on a slow link. A queue that is there
    with other arguments is used as it is, so that old code and new code can run side by side.
    """
    async with connection.channel() as channel:
        for exchange in wanted.exchanges:
            await answered(channel.declare_exchange(exchange.name, aio_pika.ExchangeType.TOPIC, durable=True))
    for queue in wanted.queues:
        if not await is_as_declared(connection, queue):
            log.warning("queue has other arguments than declared; `python -m chassis renew` mends it", queue=queue.name)
    async with connection.channel() as channel:
        for binding in wanted.bindings:
            bound = await channel.get_queue(binding.queue, ensure=False)
            await answered(bound.bind(binding.exchange, binding.routing_key))


async def is_as_declared(connection: AbstractConnection, queue: Queue) -> bool:
    """Declare a queue; whether it has the arguments that it should have, now. If not, that costs a channel."""
    try:
        async with connection.channel() as channel:
            await answered(channel.declare_queue(queue.name, durable=True, arguments=queue.arguments))
    except ChannelPreconditionFailed:
        return False
    return True


async def exists(connection: AbstractConnection, queue: str) -> bool:
    """Whether there is a queue; to ask for one that is missing costs a channel."""
    try:
        async with connection.channel() as channel:
            await answered(channel.declare_queue(queue, passive=True))
    except ChannelNotFoundEntity:
        return False
    return True


async def missing(connection: AbstractConnection, queues: Iterable[str]) -> list[str]:
    """Those of the queues that are not there, each of which costs a channel; all others are asked for over one."""
    left, found = list(queues), list[str]()
    while left:
        try:
            async with connection.channel(publisher_confirms=False) as channel:
                while left:
                    await answered(channel.declare_queue(left[0], passive=True))
                    left.pop(0)
        except ChannelNotFoundEntity:
            found.append(left.pop(0))
    return found


async def answered(call: Awaitable[Answer]) -> Answer:
    """What the broker answers in time."""
    with cancelled_by_nobody():
        async with asyncio.timeout(CALL_TIMEOUT):
            return await call


def reason_of(error: BaseException) -> str:
    """Why a session ended, or never began, and what to look at."""
    text = describe(error)
    if isinstance(error, AuthenticationError):
        return f"refused: {text}; are user and password in RABBITMQ_URL right?"
    if isinstance(error, InvalidFrameError) and "Connection.Close" in text:
        return (
            "refused: the broker closed the connection at once; does the virtual host exist, and may the user enter it?"
        )
    return text
