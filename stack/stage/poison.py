"""Poison: a message that its step cannot understand, and so is parked for a person to look at."""

from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from uuid import UUID, uuid4

import aio_pika
from aio_pika.exceptions import AMQPError
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from pydantic import BaseModel

from chassis.broker.nodes import connect
from chassis.choreography.loading import load
from chassis.web.problem import Problem, not_found
from contracts.event import Event
from stack.directory import ROOT

MAX_A_MINUTE = 20
BODY = b'{"checkout_id": "this is where somebody stopped wri'
_TIMEOUT = 5.0


class Poisoned(BaseModel):
    """The message that was put into the queue of a step."""

    step: str
    event: str
    event_id: UUID


@cache
def steps() -> dict[str, type[Event]]:
    """The steps that hear something, by their queues, each with an event that it hears."""
    return {step.queue: step.hears[0] for service in load(ROOT).services for step in service.steps if step.hears}


class Poison:
    """Puts broken messages into queues, so many in a minute."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._allowed = RateLimitItemPerMinute(MAX_A_MINUTE)

    async def pour(self, rabbitmq_url: str, step: str) -> Poisoned:
        """Have the administrator of the broker publish one; raises Problem 404, 429, or 503 without a broker."""
        event = steps().get(step)
        if event is None:
            raise not_found("step")
        if not await self._limiter.hit(self._allowed):
            detail = f"{MAX_A_MINUTE} messages were poisoned within a minute; that is enough for now."
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": "60"})
        poisoned = Poisoned(step=step, event=event.name, event_id=uuid4())
        try:
            await _publish(rabbitmq_url, step, _message(event, poisoned.event_id))
        except (OSError, AMQPError, TimeoutError) as error:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "The broker cannot be reached.", "no-broker") from error
        return poisoned


async def _publish(rabbitmq_url: str, queue: str, message: aio_pika.Message) -> None:
    connection = await connect(rabbitmq_url, _TIMEOUT)
    async with connection:
        channel = await connection.channel(on_return_raises=True)
        await channel.default_exchange.publish(message, queue, timeout=_TIMEOUT)


def _message(event: type[Event], event_id: UUID) -> aio_pika.Message:
    """An event in all but its body, as if the service had said it that says such events."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": str(event_id),
        "ce-source": f"/{event.service}",
        "ce-type": f"{event.name}.v{event.version}",
        "ce-time": datetime.now(UTC).isoformat(),
    }
    return aio_pika.Message(
        BODY,
        headers={**headers},
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        correlation_id=f"stage:{event_id}",
        type=event.name,
        app_id=event.service,
        user_id=event.service,
    )
