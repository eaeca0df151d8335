"""A saga as its events tell it, read off the broker by a queue that is bound to everything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aio_pika.abc import AbstractIncomingMessage

from chassis.broker.nodes import connect
from stack.services import SERVICES


@dataclass(frozen=True)
class Said:
    """One event: who said it when, of which saga, and what it was caused by."""

    event_id: str
    saga_id: str
    at: datetime
    service: str
    event: str
    causation_id: str | None
    body: str


class Observer:
    """Every event that passes the broker while it looks."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._seen: dict[str, Said] = {}
        self._news = asyncio.Condition()

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Note one event; a repetition of it changes nothing."""
        headers = {name: str(value) for name, value in message.headers.items()}
        said = Said(
            event_id=headers["ce-id"],
            saga_id=headers["ce-correlationid"],
            at=datetime.fromisoformat(headers["ce-time"]),
            service=message.app_id or "?",
            event=message.type or "?",
            causation_id=headers.get("ce-causationid"),
            body=message.body.decode(),
        )
        async with self._news:
            self.see(said)
            self._news.notify_all()

    def see(self, said: Said) -> None:
        """Note one event, the first time."""
        self._seen.setdefault(said.event_id, said)

    def timeline(self, saga_id: str) -> list[Said]:
        """The events of one saga, in the order in which they happened."""
        return sorted((said for said in self._seen.values() if said.saga_id == saga_id), key=lambda said: said.at)

    def cause_of(self, said: Said) -> str:
        """What caused an event: another one, by its name; the request, which begins a saga; or, later, the clock."""
        if said.causation_id is None:
            return "the request" if said == self.timeline(said.saga_id)[0] else "the clock"
        cause = self._seen.get(said.causation_id)
        return cause.event if cause else f"event {said.causation_id}, unseen"

    async def until(self, saga_id: str, event: str, seconds: float) -> list[Said]:
        """The timeline of a saga once `event` is in it; raises TimeoutError."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: event in {said.event for said in self.timeline(saga_id)})
        return self.timeline(saga_id)


@asynccontextmanager
async def observing(rabbitmq_url: str) -> AsyncIterator[Observer]:
    """Look at all events from now on, through a queue that goes with the connection."""
    observer = Observer()
    connection = await connect(rabbitmq_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        for service in SERVICES:
            await queue.bind(service, "#")
        await queue.consume(observer.take, no_ack=True)
        yield observer
