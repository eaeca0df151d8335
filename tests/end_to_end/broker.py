"""RabbitMQ as an administrator sees it: listens to everything, puts messages where they are wanted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import aio_pika
import httpx2
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

from chassis.choreography.loading import load
from chassis.choreography.topology import RETRY_DELAYS
from stack.directory import ROOT
from stack.servers.definitions import WINDOW_QUEUE, window_hears
from stack.services import EACH, SERVICES
from tests.end_to_end.eventually import eventually
from tests.end_to_end.observing import MARK, Observer, is_made_up

BARRIER = "barrier"
SAID_BY = {
    event.name: event.service for service in load(ROOT).services for step in service.steps for event in step.says
}
OK = 200


@dataclass(frozen=True)
class Binding:
    """Events of this name, published to this exchange, go to this queue."""

    exchange: str
    routing_key: str
    queue: str


class Diversion(Observer):
    """An observer of messages that do not reach their step unless they are passed on."""

    def __init__(self, broker: "Broker", queue: str) -> None:
        super().__init__()
        self._broker = broker
        self._queue = queue
        self._passed: list[AbstractIncomingMessage] = []

    async def pass_on(self, message: AbstractIncomingMessage, body: bytes | None = None) -> None:
        """Let a message reach its step after all, with another body if one is given."""
        self._passed.append(message)
        await self._broker.put(self._queue, message, body)

    async def pass_all(self) -> None:
        """Let everything reach its step that has not yet."""
        for message in self.messages:
            if message not in self._passed:
                await self.pass_on(message)


class Broker:
    """The broker of a running stack."""

    def __init__(
        self, connection: AbstractConnection, channel: AbstractChannel, management: httpx2.AsyncClient
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._management = management

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, environment: Mapping[str, str]) -> AsyncIterator[Self]:
        """The broker of a stack, while the context lasts."""
        connection = await aio_pika.connect(environment["RABBITMQ_URL"])
        url = environment["RABBITMQ_MANAGEMENT_URL"]
        async with connection, httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False) as management:
            yield cls(connection, await connection.channel(on_return_raises=True), management)

    async def ask(self, path: str) -> Any:
        """What the management interface answers."""
        answer = await self._management.get(f"/api/{path}")
        assert answer.status_code == OK, answer.text
        return answer.json()

    async def bindings(self) -> list[Binding]:
        """Which events reach which steps."""
        found = await self.ask("bindings/%2F")
        known = [Binding(one["source"], one["routing_key"], one["destination"]) for one in found]
        steps = [one for one in known if one.exchange in SERVICES and not one.queue.startswith("amq.")]
        return [one for one in steps if one.queue != WINDOW_QUEUE]

    async def _binding(self, queue: str, event: str) -> Binding:
        return next(one for one in await self.bindings() if (one.queue, one.routing_key) == (queue, event))

    async def steps(self) -> list[str]:
        """The queues of all steps."""
        return sorted({binding.queue for binding in await self.bindings()})

    @contextlib.asynccontextmanager
    async def observe(self, exchanges: Iterable[str] = SERVICES, routing_key: str = "#") -> AsyncIterator[Observer]:
        """Hear everything that is published to these exchanges, while the context lasts."""
        observer = Observer()
        async with self._listening(observer, exchanges, routing_key):
            yield observer

    @contextlib.asynccontextmanager
    async def diverted(self, queue: str, event: str) -> AsyncIterator[Diversion]:
        """Keep an event from reaching a step, as a slow broker would, until it is passed on or the context ends."""
        binding = await self._binding(queue, event)
        diversion = Diversion(self, queue)
        async with self._listening(diversion, [binding.exchange], event), self.unheard(queue, event):
            yield diversion
        await diversion.pass_all()

    @contextlib.asynccontextmanager
    async def unheard(self, queue: str, event: str) -> AsyncIterator[None]:
        """Let an event reach nobody while the context lasts: the broker gives it back to whoever publishes it."""
        binding = await self._binding(queue, event)
        step = await self._channel.get_queue(queue, ensure=False)
        await step.unbind(binding.exchange, event)
        try:
            async with self.unseen(binding.exchange):
                yield
        finally:
            await step.bind(binding.exchange, event)

    @contextlib.asynccontextmanager
    async def unseen(self, exchange: str) -> AsyncIterator[None]:
        """Keep what goes over an exchange from the window, if there is one: what it hears is not given back."""
        found = await self.ask("bindings/%2F")
        is_bound = any((one["source"], one["destination"]) == (exchange, WINDOW_QUEUE) for one in found)
        window = await self._channel.get_queue(WINDOW_QUEUE, ensure=False)
        if is_bound:
            await window.unbind(exchange, "#")
        try:
            yield
        finally:
            if is_bound:
                await window.bind(exchange, "#")

    async def bind_window(self) -> None:
        """Bind the window's queue to all exchanges, as the definitions of the broker do."""
        if await self.has_queue(WINDOW_QUEUE):
            window = await self._channel.get_queue(WINDOW_QUEUE, ensure=False)
            for exchange in window_hears(EACH):
                await window.bind(exchange, "#")

    @contextlib.asynccontextmanager
    async def nothing_fails(self) -> AsyncIterator[None]:
        """No step raises while the context lasts: no message goes to rest or is parked, but for those of tests."""
        async with self.observe(f"{service}.retry" for service in SERVICES) as observer:
            yield
        failed = [message for message in observer.messages if not is_made_up(message)]
        assert not failed, [(one.routing_key, one.type, one.headers.get("x-last-error")) for one in failed]

    async def put(self, queue: str, message: AbstractIncomingMessage, body: bytes | None = None) -> None:
        """Deliver a message to a queue once more, in all that a service looks at as it was."""
        await self.publish(queue, body or message.body, message.headers, message.correlation_id, message.type)

    async def publish(
        self,
        queue: str,
        body: bytes,
        headers: Mapping[str, Any],
        correlation_id: str | None = None,
        event: str | None = None,
    ) -> None:
        """Deliver any message to a queue, signed by the service that says the event that its headers name."""
        service = SAID_BY.get(str(headers.get("ce-type", "")).rpartition(".v")[0])
        message = aio_pika.Message(
            body,
            headers=dict(headers),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            correlation_id=correlation_id,
            type=event,
            app_id=service,
            user_id=service,
        )
        await self._channel.default_exchange.publish(message, queue)

    async def say(self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
        """Publish anything to an exchange, of which nobody but the window may hear."""
        way = await self._channel.get_exchange(exchange, ensure=False)
        await way.publish(aio_pika.Message(body, headers=dict(headers)), routing_key, mandatory=False)

    async def redeliver(self, queue: str, parked: AbstractIncomingMessage) -> None:
        """Put a message that a service had parked back to a step, as the broker does when an operator asks for it."""
        message = aio_pika.Message(
            parked.body,
            headers=parked.headers,
            correlation_id=parked.correlation_id,
            type=parked.type,
            app_id=parked.app_id,
            user_id=parked.user_id,
        )
        exchange = await self._channel.get_exchange(f"{queue.partition('.')[0]}.redeliver", ensure=False)
        await exchange.publish(message, f"parked.{queue}")

    async def rest(self, queue: str, delay: str, event_id: str) -> None:
        """Have a message that nobody understands rest for a while before it comes to a step."""
        message = aio_pika.Message(b"{", headers={"ce-id": event_id}, correlation_id=f"{MARK}resting")
        exchange = await self._channel.get_exchange(f"{queue.partition('.')[0]}.retry", ensure=False)
        await exchange.publish(message, f"{delay}.{queue}")

    async def delete(self, queue: str) -> None:
        """Delete a queue, with whatever is in it."""
        await self._channel.queue_delete(queue)

    async def purge(self, queue: str) -> int:
        """Throw away what waits in a queue; how many messages that were."""
        done = await (await self._channel.get_queue(queue, ensure=False)).purge()
        return done.message_count or 0

    async def has_queue(self, name: str) -> bool:
        """Whether there is a queue of this name."""
        return name in {queue["name"] for queue in await self.ask("queues/%2F?columns=name")}

    async def depth(self, queue: str) -> int:
        """How many messages wait in a queue."""
        declared = await self._channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0

    async def caught_up(self) -> None:
        """Wait until every step has handled all that is in its queue now.

        A message that nobody understands is parked as soon as it is met. One that is put into the queue after
        such a message was parked is met only when the batch of the first has been acknowledged.
        """
        steps = await self.steps()
        await asyncio.gather(*(self._caught_up(queue) for queue in steps))
        for service in SERVICES:
            await self.unpark(service, 2 * sum(queue.startswith(f"{service}.") for queue in steps))

    async def unpark(self, service: str, count: int, mark: str = BARRIER) -> list[AbstractIncomingMessage]:
        """Take so many messages with this mark, once they are there, out of those that a service has parked."""
        return await self._unpark(service, count, MARK + mark)

    async def unpark_saga(self, service: str, saga_id: UUID | str) -> AbstractIncomingMessage:
        """Take a message of a saga, once it is there, out of those that a service has parked."""
        return (await self._unpark(service, 1, str(saga_id)))[0]

    async def _unpark(self, service: str, count: int, correlation_id: str) -> list[AbstractIncomingMessage]:
        found: list[AbstractIncomingMessage] = []

        async def look() -> int:
            async with await self._connection.channel() as channel:
                queue = await channel.get_queue(f"{service}.parked", ensure=False)
                while (message := await queue.get(fail=False)) is not None:
                    if message.correlation_id == correlation_id:
                        found.append(message)
                        await message.ack()
            return len(found)

        await eventually(look, lambda taken: taken >= count)
        return found

    async def take_from_rest(self, service: str, mark: str) -> AbstractIncomingMessage:
        """Take the message with this mark out of the queues in which the messages of a service rest."""
        delays = [f"{service}.retry.{delay}" for delay in RETRY_DELAYS]

        async def look() -> list[AbstractIncomingMessage]:
            async with await self._connection.channel() as channel:
                found = [await (await channel.get_queue(name, ensure=False)).get(fail=False) for name in delays]
                mine = [message for message in found if message and message.correlation_id == MARK + mark]
                for message in mine:
                    await message.ack()
                return mine

        return (await eventually(look))[0]

    async def _caught_up(self, queue: str) -> None:
        exchange = f"{queue.partition('.')[0]}.retry"
        async with self.observe([exchange], f"parked.{queue}") as observer:
            for met in (1, 2):
                await self.publish(queue, b"", {}, MARK + BARRIER)
                await observer.counted(met)

    @contextlib.asynccontextmanager
    async def _listening(self, observer: Observer, exchanges: Iterable[str], routing_key: str) -> AsyncIterator[None]:
        queue = await self._channel.declare_queue(exclusive=True)
        for exchange in exchanges:
            await queue.bind(exchange, routing_key)
        tag = await queue.consume(observer.hear, no_ack=True)
        try:
            yield
        finally:
            await queue.cancel(tag)
            await queue.delete(if_unused=False, if_empty=False)
