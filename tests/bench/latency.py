"""How long a checkout takes while so many are asked for in a second, whatever became of those before (open loop).

The clock starts when a request was meant to be sent, not when there was room to send it, so that a system that stalls
is charged for all who would have come meanwhile. It stops, for the saga, at the commit of COMPLETED as PostgreSQL has
noted it, plus the time of a whole commit as measured in this run: what is noted is when the commit began to be written
to the disk. It stops, for the facade, with the answer.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractChannel

from tests.bench.contenders import WARM_UP, Ids, finished, job_for_facade, job_for_saga
from tests.bench.figures import Floor, Latency
from tests.bench.load import Outcome
from tests.bench.messages import of_checkout
from tests.bench.quantiles import percentile
from tests.bench.stand import FACADE, Session, Stand
from tests.bench.workers import Kind, ask, served

HOPS = 5
"""What a request has to wait for before payment_svc hears that the seats are sold: five commits, each published"""
QUEUE = "bench.floor"


async def of_saga(stand: Stand, rate: float, seconds: float, commit: float) -> Latency:
    """From `POST /checkouts` to COMPLETED; `commit` is what a whole commit takes."""
    outcome = await ask(stand, await job_for_saga(stand, seconds, int(rate * seconds), rate))
    done = await finished(stand, "payment", Ids(outcome.since), len(outcome.accepted))
    return _latency("saga", rate, outcome, {one.checkout_id: one.completed + commit for one in done})


async def of_facade(stand: Stand, processes: int, rate: float, seconds: float) -> Latency:
    """From `POST /checkouts` to the answer."""
    async with AsyncExitStack() as running:
        servers = [await running.enter_async_context(served(stand, Kind.ORM)) for _ in range(processes)]
        outcome = await ask(stand, await job_for_facade(stand, servers, seconds, int(rate * seconds), rate))
        await finished(stand, FACADE, Ids(outcome.since), len(outcome.accepted))
    return _latency("facade", rate, outcome, {one.id: one.answered for one in outcome.accepted})


async def floor(stand: Stand, rate: float, seconds: float) -> Floor:
    """Five commits and five confirmed publishes one after the other, at the same pace as the checkouts."""
    async with AsyncExitStack() as opened:
        connection = await aio_pika.connect(stand.environment["RABBITMQ_URL"])
        channel = await (await opened.enter_async_context(connection)).channel(on_return_raises=True)
        await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        session = await opened.enter_async_context(stand.session(FACADE))
        began = time.time()
        times = [await _once(began + turn / rate, session, channel) for turn in range(int(rate * seconds))]
        await channel.queue_delete(QUEUE)
    commits, publishes = ([one[kind] for one in times] for kind in (0, 1))
    return Floor(
        commit=percentile(commits, 50) / HOPS,
        publish=percentile(publishes, 50) / HOPS,
        p50=percentile([sum(one) for one in times], 50),
    )


async def _once(intended: float, session: Session, channel: AbstractChannel) -> tuple[float, float]:
    """How long all the commits took, and all the publishes."""
    await asyncio.sleep(intended - time.time())
    body = of_checkout(1)[0].body.encode()
    message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    committing = publishing = 0.0
    for _ in range(HOPS):
        began = time.perf_counter()
        await session.execute("INSERT INTO floor VALUES (now())")
        committed = time.perf_counter()
        await channel.default_exchange.publish(message, QUEUE)
        committing += committed - began
        publishing += time.perf_counter() - committed
    return committing, publishing


def _latency(contender: str, rate: float, outcome: Outcome, ends: Mapping[UUID, float]) -> Latency:
    counted = [one for one in outcome.accepted if one.intended - outcome.began >= WARM_UP]
    took = [ends[one.id] - one.intended for one in counted]
    p50, p95, p99 = (percentile(took, percent) for percent in (50, 95, 99))
    return Latency(contender=contender, rate=rate, checkouts=len(took), p50=p50, p95=p95, p99=p99)
