"""Declaring: keeps the broker as the steps of a service need it, however often something of that is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog
from aio_pika.abc import AbstractConnection

from chassis.broker.connection import Pauses, has_ended, missing
from chassis.errors import QueueLostError, describe

log = structlog.get_logger(__name__)

LOOK_INTERVAL = 5.0
"""Seconds between two looks at the queues that nobody consumes"""

SetUp = Callable[[Collection[str]], Awaitable[None]]
"""Declares all; the queues that it is given count as lost, also if they are there: somebody may have made them anew"""


class Declarations:
    """What a service declares over one connection; one attempt at a time."""

    def __init__(self, connection: AbstractConnection, set_up: SetUp) -> None:
        self._connection = connection
        self._set_up = set_up
        self._lost: set[str] = set()
        self._one = asyncio.Lock()

    async def declare(self) -> None:
        """Declare everything, once; raises whatever makes it fail."""
        async with self._one:
            lost = frozenset(self._lost)
            await self._set_up(lost)
            self._lost -= lost

    async def restore(self, after: Exception) -> None:
        """Declare everything until it succeeds, after this has ended a session; returns when the connection has ended.

        What is declared in part may lack bindings, which whoever consumes from it would never notice.
        """
        if isinstance(after, QueueLostError):
            self._lost.add(after.queue)
        pauses = Pauses()
        while not has_ended(self._connection):
            pauses.begin()
            await pauses.wait()
            try:
                await self.declare()
            except Exception as error:  # noqa: BLE001  # whatever it was, it is tried again
                log.warning("not declared yet", error=describe(error))
            else:
                return

    async def watch(self, queues: Collection[str]) -> None:
        """Declare everything anew whenever one of these is missing, which no consumer would notice.

        Nor would who publishes to it, once an observer is bound as well: then the broker gives nothing back.
        """
        while True:
            if gone := await missing(self._connection, queues):
                self._lost.update(gone)
                await self.declare()
            await asyncio.sleep(LOOK_INTERVAL)
