"""A session with the broker is kept up until it is told to end."""

import asyncio

import aio_pika
import pytest
from aio_pika.abc import AbstractConnection

from chassis.broker.connection import supervise

WITHIN = 5


async def _serve(connection: AbstractConnection) -> None:
    raise AssertionError("there is no broker")


async def test_session_ends_although_its_cancellation_was_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection may be refused in the moment in which a process is told to stop."""
    # given
    connecting = asyncio.Event()

    async def connect(*_: object, **__: object) -> AbstractConnection:
        is_first = not connecting.is_set()
        connecting.set()
        try:
            return await asyncio.Future[AbstractConnection]()
        except asyncio.CancelledError:
            if is_first:
                raise ConnectionRefusedError from None
            raise

    monkeypatch.setattr(aio_pika, "connect", connect)
    session = asyncio.create_task(supervise("amqp://nobody", "test", _serve, lambda reason: None))
    await connecting.wait()
    # when
    session.cancel()
    # then
    done, _ = await asyncio.wait([session], timeout=WITHIN)
    assert session in done
    assert session.cancelled()
