"""News: tells the other processes of a service which sagas have moved, so that requests that wait there look at once.

Each process has a queue of its own that dies with it, on an exchange that is always there. It is not bound to what the
service says: a queue there would take events that no step takes, and they would count as heard. News are published only
while another process has said lately that it is there, so a process that is alone says nothing but that it lives.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from uuid import UUID

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import DeliveredMessage
from pamqp.common import FieldTable

from chassis.broker.burst import Parcel
from chassis.broker.connection import answered, until_closed
from chassis.broker.retry import Delivers
from chassis.choreography.topology import ASKS, news_key
from chassis.errors import NotPublishedError, describe
from chassis.ids import new_id
from chassis.run.beside import beside
from chassis.run.waiters import Waiters

log = structlog.get_logger(__name__)

HELLO_SECONDS = 5.0
MISSED_AFTER = 3 * HELLO_SECONDS
MAX_TOLD = 1_000
"""How many sagas one message names, and how many of the latest a process that comes is told of"""
MAX_WAITING = 10_000
"""How many messages wait for a process that does not take them; it looks by itself now and then"""


class News:
    """What one process of a service tells the others, and hears from them."""

    def __init__(self, service: str, user: str, publisher: Delivers, waiters: Waiters) -> None:
        self._key = news_key(service)
        self._user = user
        self._publisher = publisher
        self._waiters = waiters
        self._process = str(new_id())
        self._recent: dict[UUID, None] = {}
        """What has moved lately: a process that comes may have looked before that, and not have been known yet"""
        self._heard: dict[str, float] = {}
        """When each other process was heard last"""
        self._moved: set[UUID] = set()
        self._some = asyncio.Event()

    def tell(self, saga_ids: Iterable[UUID]) -> None:
        """These sagas have moved here; whoever waits for them elsewhere is told, if there is anybody."""
        for saga_id in saga_ids:
            self._recent.pop(saga_id, None)
            self._recent[saga_id] = None
            if self._others() and len(self._moved) < MAX_WAITING:
                self._moved.add(saga_id)
                self._some.set()
        while len(self._recent) > MAX_TOLD:
            del self._recent[next(iter(self._recent))]

    async def serve(self) -> None:
        """For ever: say now and then that this process is there, and at once what has moved."""
        while True:
            moved = [str(saga_id) for saga_id, _ in zip(tuple(self._moved), range(MAX_TOLD), strict=False)]
            self._moved.difference_update(map(UUID, moved))
            await self._publish(moved)
            if not self._moved:
                self._some.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HELLO_SECONDS):
                    await self._some.wait()

    def heard(self, connection: AbstractConnection) -> AbstractAsyncContextManager[None]:
        """While the context lasts, wake those who wait here for what has moved elsewhere."""
        return beside(connection, "news", partial(self._listen, connection))

    async def _listen(self, connection: AbstractConnection) -> None:
        try:
            async with connection.channel(publisher_confirms=False) as channel:
                await self._session(connection, channel)
        finally:
            self._waiters.is_told = False

    async def _session(self, connection: AbstractConnection, channel: AbstractChannel) -> None:
        """Hear until the end, in a queue of a new name: the broker may keep the old one, whose connection it holds."""
        underlay = await channel.get_underlay_channel()
        name = f"{self._key}.{new_id()}"
        limit: FieldTable = {"x-max-length": MAX_WAITING}
        await answered(underlay.queue_declare(name, exclusive=True, auto_delete=True, arguments=limit))
        await answered(underlay.queue_bind(name, ASKS, self._key))
        await answered(underlay.basic_consume(name, self._hear, no_ack=True))
        self._waiters.is_told = True
        await until_closed(connection, channel)

    async def _hear(self, message: DeliveredMessage) -> None:
        if message.header.properties.user_id != self._user:
            return  # anybody may write to this exchange, and nobody under another one's name
        try:
            said = json.loads(message.body)
            process, moved = str(said["process"]), [UUID(one) for one in said["moved"]]
        except (ValueError, TypeError, KeyError) as error:
            log.warning("news not understood", error=describe(error))
            return
        if process != self._process:
            is_new = process not in self._others()
            self._heard[process] = _now()
            if is_new:
                self._moved.update(self._recent)
                self._some.set()  # it should know at once that it is not alone
            self._waiters.notify(moved)

    async def _publish(self, moved: list[str]) -> None:
        body = json.dumps({"process": self._process, "moved": moved}).encode()
        parcel = Parcel(ASKS, self._key, {}, body, type="news", correlation_id=None, timestamp=None, mandatory=False)
        with contextlib.suppress(NotPublishedError):  # who waits looks by himself in the end
            await self._publisher.deliver(parcel)

    def _others(self) -> list[str]:
        return [process for process, at in self._heard.items() if _now() - at < MISSED_AFTER]


def _now() -> float:
    return asyncio.get_running_loop().time()
