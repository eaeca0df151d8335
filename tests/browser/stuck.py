"""A checkout that is stuck: its seat_svc has parked it, and would succeed now if it were asked again."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from chassis.broker.retry import ATTEMPT
from chassis.choreography.envelope import HEADERS
from chassis.choreography.topology import RETRY_DELAYS
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Operator
from tests.end_to_end.system import System

STEP: Final = "seat.reserve"


@dataclass(frozen=True)
class Stuck:
    """A checkout, and the event of it that was parked."""

    checkout_id: str
    event_id: str


@contextlib.asynccontextmanager
async def stuck(system: System, broker: Broker, catalogue: Catalogue, operator: Operator) -> AsyncIterator[Stuck]:
    """A checkout that is parked after all its attempts, with what it failed with mended; in the end it is redriven."""
    waiting = await _stuck(system, broker, catalogue)
    try:
        yield waiting
    finally:
        await operator.post("seat", "/operations/parked/redrive", {"ids": [waiting.event_id]})


async def _stuck(system: System, broker: Broker, catalogue: Catalogue) -> Stuck:
    fan = Fan(system)
    hold = await fan.hold((await catalogue.new_date(1))[0])
    await fan.charge(hold.total)
    async with (
        catalogue.unsellable(await catalogue.date_of(hold.seat_ids[0])),
        broker.observe(["seat.retry"], f"parked.{STEP}") as parked,
    ):
        checkout_id = await fan.begin(hold)
        message = await _out_of_rest(system, checkout_id)
        await _last_attempt(broker, message)
        await parked.heard(checkout_id, "payment.paid")
    return Stuck(str(checkout_id), str(message.headers["ce-id"]))


async def _out_of_rest(system: System, checkout_id: UUID) -> AbstractIncomingMessage:
    """Take the message from where it waits for its next attempt, which for the last ones would take minutes."""
    async with await aio_pika.connect(system.environment["RABBITMQ_URL"]) as connection:

        async def look() -> list[AbstractIncomingMessage]:
            async with await connection.channel() as channel:
                queues = [await channel.get_queue(f"seat.retry.{delay}", ensure=False) for delay in RETRY_DELAYS]
                found = [await queue.get(fail=False) for queue in queues]
                mine = [one for one in found if one and one.correlation_id == str(checkout_id)]
                for message in mine:
                    await message.ack()
                return mine

        return (await eventually(look))[0]


async def _last_attempt(broker: Broker, message: AbstractIncomingMessage) -> None:
    headers = {name: value for name, value in message.headers.items() if name in HEADERS}
    body, event = message.body, message.type
    await broker.publish(STEP, body, headers | {ATTEMPT: len(RETRY_DELAYS)}, message.correlation_id, event)
