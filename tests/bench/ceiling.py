"""`python -m tests.bench.ceiling`: what broker and database can do alone, as one of the processes that make them do it.

It reads a job from each line of its input and answers with the seconds that it took.
"""

import asyncio
import sys
import time
from collections.abc import Sequence

import aio_pika
import asyncpg
import uvloop
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from pydantic import BaseModel

from chassis.store.outbox import Outgoing
from tests.bench.messages import of_checkout

AT_ONCE = 200
"""Publishes under way, and messages that an acknowledgement covers: as large as the batches of the services"""
SESSIONS = 10
"""Sessions that commit at the same time: as many as a service has connections"""


class Job(BaseModel):
    """So many checkouts' worth of messages through the broker, and of commits by the database, one after the other."""

    name: str
    """Tells the queues of this process from those of the others"""
    checkouts: int
    commits: int
    rabbitmq_url: str
    database_url: str


class Took(BaseModel):
    """The seconds that each took."""

    messages: float
    commits: float


async def work(job: Job) -> Took:
    """Do both."""
    return Took(messages=await _messages(job), commits=await _commits(job))


async def _messages(job: Job) -> float:
    """Publish with confirms, consume and acknowledge: a quorum queue for each message that somebody hears."""
    async with await aio_pika.connect(job.rabbitmq_url) as connection:
        queues = [f"{job.name}.{position}" for position in range(len(of_checkout(1)) - 1)]
        channel = await connection.channel(on_return_raises=True)
        for queue in queues:
            await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_publish(channel, queues, job.checkouts))
            for queue in queues:
                tasks.create_task(_consume(connection, queue, job.checkouts))
        took = time.perf_counter() - began
        for queue in queues:
            await channel.queue_delete(queue)
    return took


async def _publish(channel: AbstractChannel, queues: Sequence[str], checkouts: int) -> None:
    said = [_message(one) for one in of_checkout(1)]
    # Nobody hears the last one: it goes to an exchange without queues, and is confirmed all the same.
    nowhere = await channel.declare_exchange("bench.nowhere", "fanout")
    left = iter(range(checkouts))

    async def publish() -> None:
        for _ in left:
            heard = zip(said, queues, strict=False)
            publishing = [channel.default_exchange.publish(message, queue) for message, queue in heard]
            await asyncio.gather(*publishing, nowhere.publish(said[-1], "", mandatory=False))

    await asyncio.gather(*(publish() for _ in range(AT_ONCE // len(said))))


def _message(outgoing: Outgoing) -> aio_pika.Message:
    """A message with all that the services put into one."""
    return aio_pika.Message(
        outgoing.body.encode(),
        headers=dict(outgoing.headers),
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=str(outgoing.event_id),
        correlation_id=str(outgoing.saga_id),
        type=outgoing.routing_key,
        timestamp=outgoing.occurred_at,
        app_id="reservation",
    )


async def _consume(connection: AbstractConnection, queue: str, count: int) -> None:
    left = count
    over = asyncio.Event()

    async def hear(message: AbstractIncomingMessage) -> None:
        nonlocal left
        left -= 1
        if left % AT_ONCE == 0:
            await message.ack(multiple=True)
        if left == 0:
            over.set()

    async with connection.channel() as channel:
        await channel.set_qos(2 * AT_ONCE)
        await (await channel.get_queue(queue, ensure=False)).consume(hear)
        await over.wait()


async def _commits(job: Job) -> float:
    async with asyncpg.create_pool(job.database_url, min_size=SESSIONS, max_size=SESSIONS) as pool:
        left = iter(range(job.commits))

        async def commit() -> None:
            async with pool.acquire() as session:
                for _ in left:
                    await session.execute("INSERT INTO floor VALUES (now())")

        began = time.perf_counter()
        await asyncio.gather(*(commit() for _ in range(SESSIONS)))
        return time.perf_counter() - began


async def _serve() -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        took = await work(Job.model_validate_json(line))
        print(took.model_dump_json(), flush=True)  # noqa: T201  # the answer


if __name__ == "__main__":
    uvloop.run(_serve())
