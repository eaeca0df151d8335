"""Resay: asks the services that said something to say it again, because a queue that should hold it is lost.

Asking needs no memory of its own: whoever is asked and has lost the queue of asks, finds that out by itself, and says
everything again.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import DeliveryError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chassis.broker.connection import answered, declare, exists
from chassis.choreography.declaration import Service
from chassis.choreography.topology import ASKS, keeping_queues, resay_queue, topology
from chassis.errors import MalformedMessageError
from chassis.store import said
from chassis.store.database import Database

log = structlog.get_logger(__name__)

MAX_EVENTS = 1_000
FIRST_HOURS = 0.25
"""How far back what may have been said is asked for when a queue is made for the first time"""


class Ask(BaseModel):
    """What a service is asked to say again, and how far back; as far as it remembers, unless `hours` says less."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: tuple[str, ...] = Field(max_length=MAX_EVENTS)
    hours: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @classmethod
    def of(cls, body: bytes) -> "Ask":
        """The ask in a message; raises MalformedMessageError."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise MalformedMessageError(str(error)) from error


def heard(service: Service, queues: Iterable[str]) -> dict[str, set[str]]:
    """The events that may have been in some queues of a service, by the services that said them.

    What rests or is parked may belong to any step.
    """
    queues = set(queues)
    steps = {step.queue for step in service.listening}
    shared = queues - steps - {resay_queue(service.name)}
    found = defaultdict[str, set[str]](set)
    for step in service.listening:
        for event in step.hears:
            if shared or step.queue in queues:
                found[event.service].add(event.name)
    return found


def said_by(service: Service) -> set[str]:
    """The names of all events that a service may say."""
    return {event.name for step in service.steps for event in step.says}


async def set_up(
    connection: AbstractConnection, service: Service, database: Database, hours: float, gone: Collection[str] = ()
) -> None:
    """Declare what a service needs, and have said again what was in those of its queues that are lost.

    A queue that is missing is noted before it is declared anew, and what it has lost is asked for after that: so it
    comes into the new queue, whenever this process ends. Those in `gone` count as missing, whether or not somebody has
    declared them anew by now. For a queue that never was, only what was said just now is asked for: where everything
    starts for the first time, others may have begun to speak before it was there.
    """
    wanted = topology(service)
    names = keeping_queues(service)
    absent = [name for name in names if name in gone or not await exists(connection, name)]
    missing = await database.run(partial(_note, names, absent))
    await declare(connection, wanted)
    if missing.lost:
        log.error("queues were lost, what they held is asked for again", queues=sorted(missing.lost))
        await ask(connection, _asks(service, missing.lost))
    if missing.new:
        await ask(connection, _asks(service, missing.new, FIRST_HOURS))
    if missing.lost or missing.new:
        events = said_by(service) if resay_queue(service.name) in missing.lost else ()
        await database.run(partial(_mend, [*missing.lost, *missing.new], events, hours))


def _asks(service: Service, queues: Collection[str], hours: float | None = None) -> dict[str, Ask]:
    return {one: Ask(events=tuple(names), hours=hours) for one, names in heard(service, queues).items()}


async def ask(connection: AbstractConnection, asks: Mapping[str, Ask]) -> list[str]:
    """Ask services to say something again; returns those that have no queue of asks."""
    absent = []
    async with connection.channel(publisher_confirms=True, on_return_raises=True) as channel:
        for service, wanted in asks.items():
            if not await _ask_one(channel, service, wanted):
                absent.append(service)
    return absent


async def _ask_one(channel: AbstractChannel, service: str, wanted: Ask) -> bool:
    exchange = await channel.get_exchange(ASKS, ensure=False)
    body = json.dumps(wanted.model_dump()).encode()
    message = aio_pika.Message(
        body, content_type="application/json", delivery_mode=aio_pika.DeliveryMode.PERSISTENT, type="resay"
    )
    try:
        await answered(exchange.publish(message, resay_queue(service)))
    except DeliveryError:
        log.warning("nobody to ask yet", service=service)
        return False
    return True


async def _note(names: Sequence[str], absent: Sequence[str], transaction: said.Fetches) -> said.Missing:
    return await said.lost(transaction, names, absent)


async def _mend(lost: Sequence[str], events: Iterable[str], hours: float, transaction: said.Fetches) -> None:
    await said.ask(transaction, set(events), hours)
    await said.mended(transaction, lost)
