"""Runtime: the moving parts of one service process, from the first connection to an orderly end."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog
from aio_pika.abc import AbstractConnection

from chassis.broker.connection import Pauses, Serve, has_ended, supervise
from chassis.broker.origin import Origins
from chassis.broker.publisher import Publisher
from chassis.broker.relay import PUMPS, Relay
from chassis.broker.resay import set_up
from chassis.choreography.declaration import Service
from chassis.choreography.step import Kind, Step
from chassis.choreography.topology import PARKED, aside_queues, pulse_queue
from chassis.errors import describe
from chassis.run.answering import answering
from chassis.run.batch import BatchRunner
from chassis.run.beside import beside
from chassis.run.consumer import BatchConsumer, Consumer
from chassis.run.declaring import Declarations
from chassis.run.desk import Desk
from chassis.run.door import Door
from chassis.run.effect import EffectConsumer
from chassis.run.endings import Endings
from chassis.run.news import News
from chassis.run.requests import Requests
from chassis.run.under_way import Bound, UnderWay
from chassis.run.upkeep import Upkeep
from chassis.run.waiters import Waiters
from chassis.settings import ServiceSettings
from chassis.store.committing import Committing
from chassis.store.database import Database
from chassis.store.departures import Departures
from chassis.store.outbox import Outgoing
from chassis.store.postgres import Postgres
from chassis.store.retention import PURGE_INTERVAL, Retention

Provided = TypeVar("Provided")

log = structlog.get_logger(__name__)

PUMP = "pump"
CANCEL_AGAIN = 0.2


@dataclass(frozen=True)
class Job:
    """Periodic work: `work` runs every `every`, in the service's own process."""

    every: timedelta
    work: Callable[[Database], Awaitable[None]]


class Runtime:
    """Database, relay, publisher and one consumer per step of a service."""

    def __init__(
        self,
        service: Service,
        settings: ServiceSettings,
        dependencies: Mapping[type, Any],
        jobs: tuple[Job, ...] = (),
        bound: Bound | None = None,
        retentions: tuple[Retention, ...] = (),
        rights: Mapping[str, str] | None = None,
    ) -> None:
        self.service = service
        self.publisher = Publisher(service.name, settings.rabbitmq_url.get_secret_value())
        self.waiters = Waiters()
        self._departures = Departures()
        self._news = News(service.name, self.publisher.user, self.publisher, self.waiters)
        url = settings.database_url.get_secret_value()
        self.database = Database(Postgres(url, settings.database_pool), self._departures)
        self.committing = Committing(self.database)
        requesting = Database(Postgres(url, settings.request_pool), self._departures)
        self.requests = Requests(requesting)
        self._under_way = UnderWay.of(service, bound)
        endings = Endings.of(service)
        for database in (self.database, requesting):
            database.subscribe(self._moved)
            database.subscribe(self._under_way.hear)
            database.subscribe(endings.hear)
        self.relay = Relay(self.publisher, self._departures, self.database)
        self._dependencies = dependencies
        self._origins = Origins(service.name, self.publisher.user)
        self.consumers = [self._consumer(step, settings.max_batch) for step in service.listening]
        self.door = Door(self.requests, self._under_way, self._departures, self.consumers)
        self.desk = Desk(service, settings, self.database)
        self._settings = settings
        self._jobs = jobs
        self._upkeep = Upkeep(settings, retentions, rights)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._broker_trouble = "not connected yet"
        self.waits_for: str | None = "the database has not answered yet"
        """Why the service has not begun, as long as it has not"""

    @property
    def consuming(self) -> bool:
        """Whether every step of the service has its consumer."""
        return all(consumer.consuming for consumer in self.consumers)

    @property
    def ended(self) -> list[str]:
        """The background tasks that have ended, although all of them should run until `stop`."""
        return [name for name, task in self._tasks.items() if task.done()]

    @property
    def broker_trouble(self) -> str | None:
        """Why the broker cannot be published to, if so."""
        return self.publisher.trouble or (None if self.publisher.connected else self._broker_trouble)

    async def parked(self) -> float:
        """How many messages of the service are parked; NaN when the broker cannot be asked."""
        return await self.publisher.depth(f"{self.service.name}.{PARKED}")

    async def depths(self) -> dict[str, float]:
        """How many messages wait in the queue of each step; NaN when the broker cannot be asked."""
        return await self.publisher.depths([consumer.step.queue for consumer in self.consumers])

    def dependency(self, provided: type[Provided]) -> Provided:
        """What the service provides under this class."""
        found: Provided = self._dependencies[provided]
        return found

    async def start(self, migrations: Path) -> None:
        """Wait for the database, bring it up to date, then begin: publish, consume, do the jobs.

        Raises MigrationError. Connections to the broker are made in the background.
        """
        await self._upkeep.prepare(migrations, self._wait_for)
        self.waits_for = None
        self._supervise("publish", self.publisher.serve)
        self._supervise("consume", self._consume)
        self._run("sweep", self.relay.sweep())
        self._run("forget", self.relay.forget())
        self._run("news", self._news.serve())
        if self._under_way.bound is not None:
            self._run("under way", self._under_way.watch(self._under_way.bound, self.database))
        for number in range(PUMPS):
            self._run(f"{PUMP} {number}", self.relay.pump())
        for number, job in enumerate(self._jobs):
            self._run(f"job {number}", self._repeat(job))
        for number, purge in enumerate(self._upkeep.purges(self.parked)):
            self._run(f"purge {number}", self._repeat(Job(PURGE_INTERVAL, purge)))

    async def stop(self) -> None:
        """Take nothing more in, finish what is under way, publish what was said, close; within the deadline.

        Works in every state, also when `start` has not ended.
        """
        quarter = self._settings.shutdown_seconds / 4
        await self._finish_consuming(2 * quarter)
        pumps = [name for name in self._tasks if name.startswith(PUMP)]
        await self._cancel(name for name in list(self._tasks) if name not in ("publish", *pumps))
        await self.relay.drain([self._tasks[name] for name in pumps], quarter)
        await self._cancel(["publish", *pumps])
        await asyncio.gather(*(one.drain(quarter) for one in (self.requests, self.database)))

    def _moved(self, said: Sequence[Outgoing]) -> None:
        """Wake who waits for these sagas, here and elsewhere."""
        moved = {message.saga_id for message in said}
        self.waiters.notify(moved)
        self._news.tell(moved)

    def _consumer(self, step: Step, max_batch: int) -> Consumer:
        if step.kind is Kind.EFFECT:
            return EffectConsumer(step, self.database, self._dependencies, self.publisher, self._origins, max_batch)
        runner = BatchRunner(step, self.database, self._dependencies)
        return BatchConsumer(runner, self._departures, self.publisher, self._origins, max_batch)

    async def _consume(self, connection: AbstractConnection) -> None:
        """Declare everything, then consume for all steps, each by itself, until the connection ends."""
        hours = self._settings.said_hours
        declarations = Declarations(connection, partial(set_up, connection, self.service, self.database, hours))
        await declarations.declare()
        answers = answering(connection, self.service, self.database, hours, declarations)
        unheard = (*aside_queues(self.service.name), pulse_queue(self.service.name))
        watch = beside(connection, "queues", partial(declarations.watch, unheard))
        async with answers, watch, self._news.heard(connection), asyncio.TaskGroup() as group:
            for consumer in self.consumers:
                group.create_task(_keep(consumer, connection, declarations))

    async def _finish_consuming(self, seconds: float) -> None:
        if not self.consuming:
            return
        try:
            await asyncio.gather(*(consumer.stop() for consumer in self.consumers))
            await asyncio.wait([self._tasks["consume"]], timeout=seconds)
        except Exception as error:  # noqa: BLE001  # the broker is gone; what was not acknowledged comes again
            log.warning("consumers did not stop in order", error=describe(error))

    async def _repeat(self, job: Job) -> None:
        while True:
            try:
                await job.work(self.database)
            except Exception as error:  # noqa: BLE001  # the next round tries again
                log.warning("job failed", error=describe(error))
            await asyncio.sleep(job.every.total_seconds())

    def _wait_for(self, reason: str) -> None:
        self.waits_for = reason

    def _supervise(self, name: str, serve: Serve) -> None:
        url = self._settings.broker_url
        self._run(name, supervise(url, f"{self.service.name} {name}", serve, self._report))

    def _report(self, reason: str) -> None:
        self._broker_trouble = reason

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks[name] = asyncio.create_task(work, name=name)

    async def _cancel(self, names: Iterable[str]) -> None:
        await cancelled([self._tasks.pop(name) for name in names if name in self._tasks])


async def _keep(consumer: Consumer, connection: AbstractConnection, declarations: Declarations) -> None:
    """Consume for one step until it is told to stop, in one session after the other, over a connection that stands.

    Raises what ended the last session when the connection has ended.
    """
    pauses = Pauses()
    while True:
        pauses.begin()
        try:
            return await consumer.serve(connection, declarations.declare)
        except Exception as error:
            if has_ended(connection):
                raise
            log.warning("consumer session ended", step=consumer.step.queue, error=describe(error))
            await declarations.restore(error)
        await pauses.wait()


async def cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: `asyncio.wait_for` of Python 3.11, under `aio_pika.connect`, swallows a cancellation that comes
    in the moment in which a connection is refused.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN)
