"""Queues are looked for over one channel, as long as they are there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import ChannelNotFoundEntity

from chassis.broker.connection import missing

QUEUES = ["lamps.light", "lamps.rest", "lamps.parked"]


class Broker:
    """Holds some queues, and closes a channel over which another one is asked for."""

    def __init__(self, *queues: str) -> None:
        self._queues = queues
        self.channels = 0

    @asynccontextmanager
    async def channel(self, **_: Any) -> AsyncIterator["Broker"]:
        """The same broker, whichever channel is used."""
        self.channels += 1
        yield self

    async def declare_queue(self, name: str, *, passive: bool) -> None:
        """Look for a queue."""
        assert passive
        if name not in self._queues:
            raise ChannelNotFoundEntity(name)


@pytest.mark.parametrize("there", [QUEUES, QUEUES[:2], QUEUES[1:], [QUEUES[1]], []])
async def test_each_missing_queue_costs_a_channel(there: list[str]) -> None:
    """The broker closes it; the others are asked for over the next."""
    broker = Broker(*there)
    found = await missing(cast("AbstractConnection", broker), QUEUES)
    assert found == [name for name in QUEUES if name not in there]
    assert broker.channels <= len(found) + 1
