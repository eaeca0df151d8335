"""Beside: what a process does over the connection of its consumers, and what must not end them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from aio_pika.abc import AbstractConnection

from chassis.broker.connection import has_ended
from chassis.errors import describe

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0


@asynccontextmanager
async def beside(
    connection: AbstractConnection, what: str, session: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """While the context lasts, run one session after the other as long as the connection stands, whatever ends one."""
    task = asyncio.create_task(_sessions(connection, what, session))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _sessions(connection: AbstractConnection, what: str, session: Callable[[], Awaitable[None]]) -> None:
    while not has_ended(connection):
        try:
            await session()
        except Exception as error:  # noqa: BLE001  # whatever it was, the answer is a new session
            log.warning("session beside the consumers ended", what=what, error=describe(error))
        await asyncio.sleep(PAUSE_SECONDS)
