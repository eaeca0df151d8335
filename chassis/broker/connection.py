"""Connections to RabbitMQ: plain ones, supervised, and rebuilt whenever any part of them ends.

aio-pika's robust connections can come back without their consumers (its issues 231, 588, 626, 632), so nothing
here tries to repair a connection: it is closed, and a new one is set up from the declarations.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AuthenticationError, InvalidFrameError

from chassis.choreography.topology import Topology
from chassis.errors import SessionEndedError, describe

log = structlog.get_logger(__name__)

HEARTBEAT = 10
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


async def supervise(url: str, name: str, serve: Serve, report: Report) -> None:
    """Keep a connection in use: `serve` it until that ends or fails, tear it down, connect again.

    Returns when `serve` returns, which means that it was asked to stop. Waits between two attempts grow, with
    jitter, up to five seconds, and start anew after a session that stood. `report` gets why each session ended.
    """
    pause, known = FIRST_PAUSE, ""
    while True:
        started = asyncio.get_running_loop().time()
        try:
            with cancelled_by_nobody():
                return await _session(url, name, serve)
        except Exception as error:  # noqa: BLE001  # whatever it was, the answer is a new session
            report(reason := reason_of(error))
            (log.debug if reason == known else log.warning)("broker session ended", session=name, error=reason)
            known = reason
        stood = asyncio.get_running_loop().time() - started > LONGEST_PAUSE
        if stood:
            pause, known = FIRST_PAUSE, ""
        else:
            pause = min(pause * 2, LONGEST_PAUSE)
        await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311  # jitter, no secret


async def _session(url: str, name: str, serve: Serve) -> None:
    async with asyncio.timeout(CALL_TIMEOUT):
        connection = await aio_pika.connect(
            url, heartbeat=HEARTBEAT, client_properties={"connection_name": name}, timeout=CALL_TIMEOUT
        )
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


async def until_closed(connection: AbstractConnection, channel: AbstractChannel) -> None:
    """Wait for the end of either; raises SessionEndedError."""
    ends = [asyncio.ensure_future(connection.closed()), asyncio.ensure_future(channel.closed())]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
    raise SessionEndedError("connection closed" if connection.is_closed else "channel closed")


async def declare(channel: AbstractChannel, wanted: Topology) -> None:
    """Declare what a service needs; fails as long as an exchange of another service does not exist yet.

    Each declaration has its own time to be answered: together they may take long on a slow link.
    """
    for exchange in wanted.exchanges:
        await answered(channel.declare_exchange(exchange.name, aio_pika.ExchangeType.TOPIC, durable=True))
    queues = {
        queue.name: await answered(channel.declare_queue(queue.name, durable=True, arguments=queue.arguments))
        for queue in wanted.queues
    }
    for binding in wanted.bindings:
        await answered(queues[binding.queue].bind(binding.exchange, binding.routing_key))


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
