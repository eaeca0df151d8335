"""The four services in this process, each over a database of its own; a messenger stands for the broker."""

import importlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, Self, cast
from uuid import uuid4

import httpx2
from aio_pika.abc import AbstractIncomingMessage
from aiormq.abc import DeliveredMessage

from chassis.broker.parked import Look, Parked
from chassis.choreography import envelope
from chassis.run.consumer import BatchConsumer, Consumer
from chassis.run.delivery import Delivery
from chassis.run.desk import Desk
from chassis.run.effect import Done, EffectConsumer
from chassis.run.runtime import Runtime
from chassis.store import revision, suspects
from chassis.store.database import Database
from chassis.store.outbox import Outgoing
from chassis.store.transaction import Transaction
from chassis.web.app import Definition, create_app
from payment_svc.platform import Platform
from stack.signing import SigningKey, key_set
from stack.tokens import Scope, token

KEY = SigningKey.new()
NEEDED = {
    "rabbitmq_url": "amqp://nobody:nothing@127.0.0.1:1/",
    "token_keys": key_set([KEY.public]),
    "platform_url": "http://127.0.0.1:1/",
    "platform_secret": "whsec_" + 32 * "A",
}

NAMED = "put-aside"
"""The id of the message that every service has put aside"""
_EXAMPLES = {"integer": 1, "boolean": True, "string": str(uuid4()), "array": [1]}


class Willing:
    """An external platform that takes everything."""

    async def deliver(self, *_: Any) -> None:
        """Take it."""


@asynccontextmanager
async def _looking(_: str, services: Sequence[str], *__: Any) -> AsyncIterator[Look]:
    """A broker that holds one message, and lets it go."""

    async def move(**_: Any) -> None: ...

    message = SimpleNamespace(
        headers={}, message_id=NAMED, routing_key="parked.some.step", type=None, correlation_id=None, body=b"{"
    )
    message.ack = message.reject = move
    yield Look([Parked(cast("AbstractIncomingMessage", message), *services)])


class Player:
    """One service: its application and its runtime, which has never been started."""

    def __init__(self, package: str, database_url: str) -> None:
        settings = importlib.import_module(f"{package}.settings").Settings(database_url=database_url, **NEEDED)
        known: Definition = importlib.import_module(f"{package}.main").definition(settings)
        dependencies = {kind: Willing() if kind is Platform else one for kind, one in known.dependencies.items()}
        self.app = create_app(known)
        self.runtime = Runtime(known.service, known.settings, dependencies, known.jobs, retentions=known.retentions)
        self.runtime.desk = Desk(known.service, known.settings, self.runtime.database, _looking)
        self._migrations = known.migrations
        self.runtime.waits_for = None
        self.app.state.runtime = self.runtime
        self.said: list[Outgoing] = []
        self.ran: set[str] = set()
        """The steps that have handled something"""
        for database in self.databases:
            database.subscribe(self.said.extend)
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.app), base_url="http://service")

    @property
    def databases(self) -> tuple[Database, Database]:
        """For steps and jobs, and for requests."""
        return self.runtime.database, self.runtime.requests._database

    @property
    def endpoints(self) -> set[tuple[str, str]]:
        """Every method and path that the service answers, without its own documents."""
        paths = self.app.openapi()["paths"]
        return {(method.upper(), path) for path, methods in paths.items() for method in methods}

    def body(self, method: str, path: str) -> Any:
        """A body that an endpoint takes, as far as its OpenAPI document tells."""
        document = self.app.openapi()
        taken = document["paths"][path][method.lower()].get("requestBody")
        if taken is None:
            return None
        name = taken["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        fields = document["components"]["schemas"][name]["properties"]
        return {field: _example(schema) for field, schema in fields.items()}

    async def hear(self, message: Outgoing) -> None:
        """Do what the consumers do with one message."""
        for consumer in self.runtime.consumers:
            if message.routing_key in {event.name for event in consumer.step.hears}:
                known = envelope.parse(consumer.step.hears, message.headers, message.body.encode())
                if await _succeeds(consumer, self.runtime, known):
                    self.ran.add(consumer.step.queue)

    async def work(self) -> None:
        """Do every job once, and what the relay does."""
        await self.runtime._upkeep.migrate(None, self._migrations, revision.ensure)
        jobs = [job.work for job in self.runtime._jobs]
        for work in (*jobs, *self.runtime._upkeep.purges(_nothing_parked)):
            await work(self.runtime.database)

        async def suspect(transaction: Transaction) -> None:
            step, event_ids, process = "some.step", [uuid4()], uuid4()
            await suspects.note(transaction, step, event_ids, process)
            await suspects.deaths(transaction, step, event_ids, process)
            await suspects.clear(transaction, step, event_ids)

        async def sweep(transaction: Transaction) -> list[Outgoing]:
            return await transaction.session.lease(500)

        await self.runtime.database.run(suspect)
        leased = await self.runtime.database.run(sweep)
        self.runtime._departures.confirm(one.event_id for one in leased)
        await self.runtime.relay.forget_once()


def _example(schema: Mapping[str, Any]) -> Any:
    return schema["examples"][0] if "examples" in schema else _EXAMPLES[schema["type"]]


async def _nothing_parked() -> float:
    return 0


async def _succeeds(consumer: Consumer, runtime: Runtime, known: envelope.Envelope) -> bool:
    """Whether a step has handled an event; it cannot when the rows of other services were never there."""
    if isinstance(consumer, BatchConsumer):
        (error,) = await consumer._batch.run([known])
        return error is None
    assert isinstance(consumer, EffectConsumer)
    delivery = Delivery(known, cast("DeliveredMessage", None))
    asked = await runtime.database.run(partial(consumer._ask, [delivery]))
    for one in asked.fresh:
        outcome = await consumer.step.function(one.envelope.event, **consumer._dependencies)
        await runtime.database.run(partial(consumer._write, [Done(one, outcome)]))
    return not asked.waiting


class Play:
    """All services, and a fan who is an operator too."""

    def __init__(self, players: Mapping[str, Player]) -> None:
        self.players = players
        self.asked: dict[str, set[tuple[str, str]]] = {name: set() for name in players}
        scope = Scope.OPERATOR
        self._bearer = {"Authorization": f"Bearer {token('busy', KEY.text, scope)}"}

    @classmethod
    def of(cls, urls: Mapping[str, str]) -> Self:
        """The services whose packages and databases are named."""
        return cls({package.removesuffix("_svc"): Player(package, url) for package, url in urls.items()})

    async def ask(self, service: str, method: str, path: str, body: Any = None, **values: Any) -> httpx2.Response:
        """The answer to a request; `path` is as it stands in the OpenAPI document."""
        self.asked[service].add((method, path))
        headers = self._bearer | {"Idempotency-Key": uuid4().hex}
        place = path.format_map(defaultdict(lambda: 1, values))
        answer = await self.players[service].http.request(method, place, json=body, headers=headers)
        assert answer.status_code < 500 or place == "/readyz", answer.text
        return answer

    async def settle(self) -> None:
        """Carry what was said to those who hear it, until nobody says anything any more."""
        while said := [message for player in self.players.values() for message in self._take(player)]:
            for message in said:
                for player in self.players.values():
                    await player.hear(message)

    async def hold(self, *seat_ids: int) -> str:
        """Hold seats; returns the payment."""
        answer = await self.ask("reservation", "POST", "/reservations", {"seat_ids": seat_ids})
        await self.settle()
        return str(answer.json()["payment_id"])

    async def begin(self, payment_id: str) -> str:
        """Begin to pay; returns the checkout."""
        answer = await self.ask("payment", "POST", "/checkouts", {"payment_id": payment_id})
        return str(answer.json()["checkout_id"])

    async def close(self) -> None:
        """Close the databases."""
        for player in self.players.values():
            await player.http.aclose()
            for database in player.databases:
                await database.drain(1)

    def _take(self, player: Player) -> list[Outgoing]:
        taken, player.said[:] = list(player.said), []
        player.runtime._departures.landed(taken, [message.event_id for message in taken])
        return taken
