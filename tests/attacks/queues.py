"""Queues: sends random messages to the broker at a steady rate, and knows what became of each of them."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from chassis.broker.parked import parked_queues, resting_queues
from stack.services import SERVICES
from tests.attacks.messages import ADMIN, Messages, Shot, routes
from tests.end_to_end.databases import Databases

WORKERS = 6
"""Connections of each user, each with one message in flight"""
CONFIRMED_WITHIN = 20.0
PREFETCH = 1_000
QUIET_ROUNDS = 3
Copy = tuple[str, str]
"""The mark of a message, and a queue that it reached"""


@dataclass
class Tally:
    """How many messages there were, by what became of them, and where the traceable ones went."""

    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    reached: dict[Copy, Shot] = field(default_factory=dict)
    """Every copy that the broker has confirmed, has a queue of a step for, and that can be told from all others"""
    untraceable: int = 0

    @property
    def sent(self) -> int:
        """How many were sent."""
        return self.outcomes.total()


class Sender:
    """One connection of one user; a new one whenever the broker has closed it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None

    async def send(self, shot: Shot) -> str:
        """Send one message; what became of it: `confirmed`, `returned`, or why it was refused."""
        try:
            async with asyncio.timeout(CONFIRMED_WITHIN):
                channel = await self._open()
                await channel.basic_publish(
                    shot.body,
                    exchange=shot.exchange,
                    routing_key=shot.routing_key,
                    properties=shot.properties,
                    mandatory=True,
                )
        except PublishError:
            return "returned"
        except DeliveryError:
            return "refused: nack"
        except TimeoutError:
            await self.close()
            return "unknown: no confirm"
        except (ValueError, TypeError) as error:
            return f"not sent: {type(error).__name__}"
        except Exception as error:  # noqa: BLE001  # whatever the broker answers, a new channel comes next
            await self._reopen()
            return f"refused: {type(error).__name__}"
        return "confirmed"

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            with contextlib.suppress(Exception):  # whatever has happened to it, there will be another one
                async with asyncio.timeout(2):
                    await self._connection.close()
        self._connection = self._channel = None

    async def _open(self) -> AbstractChannel:
        if self._connection is None or self._connection.is_closed:
            self._connection, self._channel = await aiormq.connect(self._url), None
        if self._channel is None or self._channel.is_closed:
            self._channel = await self._connection.channel()
        return self._channel

    async def _reopen(self) -> None:
        """Forget the channel, and the connection as well where that has ended."""
        self._channel = None
        if self._connection is None or self._connection.is_closed or self._connection.closing.done():
            await self.close()


class Barrage:
    """Sends messages until the time is over."""

    def __init__(self, environment: Mapping[str, str], messages: Messages, rate: float) -> None:
        self.tally = Tally()
        self._environment = environment
        self._messages = messages
        self._rate = rate
        self._routes = routes(messages.targets)

    async def run(self, seconds: float) -> None:
        """Send at the rate that is wanted, or as fast as confirms come if that is slower."""
        waiting = {user: asyncio.Queue[Shot](maxsize=WORKERS) for user in (ADMIN, *SERVICES)}
        workers = [asyncio.create_task(self._work(user, waiting[user])) for user in waiting for _ in range(WORKERS)]
        began = time.monotonic()
        try:
            count = 0
            while (elapsed := time.monotonic() - began) < seconds:
                if count >= elapsed * self._rate:
                    await asyncio.sleep(0.01)
                    continue
                shot = self._messages.next()
                await waiting[shot.user].put(shot)
                count += 1
            await asyncio.gather(*(queue.join() for queue in waiting.values()))
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, user: str, waiting: "asyncio.Queue[Shot]") -> None:
        sender = Sender(broker_url(self._environment, user))
        try:
            while True:
                shot = await waiting.get()
                try:
                    self._note(shot, await sender.send(shot))
                finally:
                    waiting.task_done()
        finally:
            await sender.close()

    def _note(self, shot: Shot, outcome: str) -> None:
        kind, _, why = outcome.partition(": ")
        self.tally.outcomes[kind] += 1
        if why:
            self.tally.refusals[why] += 1
        if kind != "confirmed":
            return
        keys = (shot.routing_key, *shot.more_keys)
        queues = set[str]().union(*(self._routes.get((shot.exchange, key), ()) for key in keys))
        for queue in queues:
            self.tally.kinds[shot.kind] += 1
            if shot.mark is None or shot.may_vanish or queue.endswith(".resay"):
                self.tally.untraceable += 1
            else:
                self.tally.reached[shot.mark, queue] = shot


def broker_url(environment: Mapping[str, str], user: str) -> str:
    """The address of the broker for one user."""
    return environment["RABBITMQ_URL" if user == ADMIN else f"{user.upper()}_RABBITMQ_URL"]


@dataclass
class Aside:
    """What was taken out of the queues of what rests and what is parked."""

    copies: Counter[Copy] = field(default_factory=Counter)
    others: int = 0
    """Those that are not from here, or whose mark was spoiled"""
    reasons: Counter[str] = field(default_factory=Counter)

    def take(self, message: DeliveredMessage) -> None:
        """Note one message."""
        delivery, properties = message.delivery, message.header.properties
        key = delivery.routing_key if isinstance(delivery, Basic.Deliver) else None
        queue, mark = (key or "").partition(".")[2], properties.correlation_id or ""
        if mark.startswith("fuzz:"):
            self.copies[mark, queue] += 1
        else:
            self.others += 1
        headers: Mapping[str, Any] = properties.headers or {}
        self.reasons[str(headers.get("x-last-error", "dead-lettered by the broker")).partition(":")[0][:60]] += 1


@contextlib.asynccontextmanager
async def discarding(environment: Mapping[str, str]) -> AsyncIterator[Aside]:
    """Take away all that is parked or rests, while the context lasts, and note it."""
    aside = Aside()

    async def hear(message: DeliveredMessage) -> None:
        aside.take(message)

    connection = await aiormq.connect(environment["RABBITMQ_URL"])
    try:
        channel = await connection.channel()
        for service in SERVICES:
            for queue in (*parked_queues(service), *resting_queues(service)):
                await channel.basic_consume(queue, hear, no_ack=True)
        yield aside
    finally:
        await connection.close()


async def handled(databases: Databases, reached: Mapping[Copy, Shot]) -> set[Copy]:
    """The copies whose event a step has noted as handled."""
    known: dict[str, set[tuple[str, UUID]]] = {}
    for service in SERVICES:
        rows = await databases.rows(service, "SELECT step, event_id FROM inbox")
        known[service] = {(row["step"], row["event_id"]) for row in rows}
    found = set[Copy]()
    for (mark, queue), shot in reached.items():
        steps = known[queue.partition(".")[0]]
        if shot.event_id is not None and (queue, shot.event_id) in steps:
            found.add((mark, queue))
    return found
