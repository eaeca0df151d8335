"""Answering: does what a service is asked to say again, beside its consumers."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from chassis.arrivals import Arrivals
from chassis.broker.connection import answered, until_closed
from chassis.broker.resay import Ask, said_by
from chassis.choreography.declaration import Service
from chassis.choreography.topology import resay_queue
from chassis.errors import MalformedMessageError, QueueLostError, describe
from chassis.run.beside import beside
from chassis.run.declaring import Declarations
from chassis.store import said
from chassis.store.database import Database

log = structlog.get_logger(__name__)

MAX_TAKEN = 20


def answering(
    connection: AbstractConnection, service: Service, database: Database, hours: float, declarations: Declarations
) -> AbstractAsyncContextManager[None]:
    """While the context lasts, note what the service is asked to say again; the sweeps of its relay say it."""

    async def session() -> None:
        try:
            await _session(connection, service, database, hours)
        except Exception as error:
            # The queue may be gone; what is not acknowledged comes again in the next session.
            await declarations.restore(error)
            raise

    return beside(connection, "asks", session)


async def _session(connection: AbstractConnection, service: Service, database: Database, hours: float) -> None:
    arrivals = Arrivals[DeliveredMessage]()

    async def arrive(message: DeliveredMessage) -> None:
        arrivals.put(message)

    def cancelled(_: Basic.Cancel) -> None:
        arrivals.end(QueueLostError(resay_queue(service.name)))

    async with connection.channel(publisher_confirms=False) as channel:
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(cancelled)
        await answered(underlay.basic_qos(prefetch_count=MAX_TAKEN))
        await answered(underlay.basic_consume(resay_queue(service.name), arrive))
        watch = asyncio.create_task(until_closed(connection, channel))
        watch.add_done_callback(lambda task: arrivals.end(None if task.cancelled() else task.exception()))
        try:
            while messages := await arrivals.take(MAX_TAKEN):
                await _note(messages, service, database, hours)
        finally:
            watch.cancel()


async def _note(messages: Sequence[DeliveredMessage], service: Service, database: Database, hours: float) -> None:
    """Store what is asked for, and acknowledge it."""
    for message in messages:
        try:
            wanted = Ask.of(message.body)
        except MalformedMessageError as error:
            log.error("ask not understood, it is dropped", error=describe(error))
        else:
            events = said_by(service).intersection(wanted.events)
            log.warning("asked to say something again", events=sorted(events))
            await database.run(partial(_ask, events, min(wanted.hours or hours, hours)))
        await answered(message.channel.basic_ack(message.delivery_tag or 0))


async def _ask(events: set[str], hours: float, transaction: said.Fetches) -> None:
    await said.ask(transaction, events, hours)
