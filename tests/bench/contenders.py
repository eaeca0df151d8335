"""The contenders: the saga and the facades, each through REST and without it, run until they can do no more.

Whoever contends, a checkout counts when it is COMPLETED in the database and its delivery to the platform is stored,
and a round is over when that is true of the last one: accepting more than can be done gains nothing, and neither does
leaving the deliveries for later.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import aio_pika

from chassis.broker.publisher import Publisher
from chassis.ids import new_id
from tests.bench.load import Job, Outcome
from tests.bench.messages import requested
from tests.bench.processes import cpu_seconds
from tests.bench.rows import BEGUN, CHECKOUT, OPEN, id_of
from tests.bench.stand import FACADE, Stand
from tests.bench.workers import Kind, Server, ask, direct, served
from tests.end_to_end.eventually import eventually

WARM_UP = 2.0
"""Seconds at the start of a closed loop that are not counted"""
WARM_UP_NUMBERS = 100
"""Checkouts of each process of a facade without REST that are not counted"""
PUBLISH_AT_ONCE = 500
SLOWEST = 20
"""So many checkouts per second are the least that is waited for"""


@dataclass(frozen=True)
class Round:
    """What one run has shown; processor time is in seconds for 1,000 checkouts."""

    per_second: float
    cpu: Mapping[str, float]
    finished: Sequence[float]
    """When the checkouts were finished, in seconds since the start, in their order"""


class Overloaded(NamedTuple):
    """Checkouts per second that ended although more were asked for, and the share that was turned away."""

    completed: float
    delivered: float
    turned_away: float


class Ids(NamedTuple):
    """The checkouts between two ids, neither of which is one of them."""

    after: UUID
    before: UUID = UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Finished:
    """A checkout, when its completion was committed, and when its delivery was (in seconds since 1970)."""

    checkout_id: UUID
    completed: float
    delivered: float


async def saga_through_rest(stand: Stand, seconds: float, count: int) -> Round:
    """`POST /checkouts` in a closed loop for so many seconds, or until there is nothing left to check out."""
    job = await job_for_saga(stand, seconds, count)
    before = stand.cpu()
    outcome = await ask(stand, job)
    done = await finished(stand, "payment", Ids(outcome.since), len(outcome.accepted))
    return _after_warm_up(outcome, done, used(stand, before, len(done)))


async def saga_overloaded(stand: Stand, seconds: float, rate: float) -> Overloaded:
    """`POST /checkouts` in an open loop at more than can be done, for so many seconds.

    Only what ends while the load lasts counts. Raises AssertionError when somebody is turned away in any other way than
    at the door, or when something that was accepted is not completed and delivered in the end.
    """
    job = await job_for_saga(stand, seconds, int(rate * seconds), rate)
    outcome = await ask(stand, job, may_refuse=True)
    wrong = [one for one in outcome.refused if not one.startswith("503") or "urn:problem:busy" not in one]
    assert not wrong, f"{len(wrong)} were not turned away at the door, for example: {wrong[0]}"
    done = await finished(stand, "payment", Ids(outcome.since), len(outcome.accepted))

    def in_time(ends: Iterable[float]) -> float:
        return sum(WARM_UP < at - outcome.began <= seconds for at in ends) / (seconds - WARM_UP)

    asked = len(outcome.accepted) + len(outcome.refused)
    return Overloaded(
        completed=in_time(one.completed for one in done),
        delivered=in_time(max(one.completed, one.delivered) for one in done),
        turned_away=len(outcome.refused) / asked,
    )


async def saga_from_broker(stand: Stand, count: int) -> Round:
    """So many `checkout.requested` that wait on the broker, as after an outage."""
    numbers = await stand.insert(BEGUN, count)
    async with stand.frozen("point_svc"):
        await _publish(stand, numbers)
        before = stand.cpu()
        began = time.time()
    ids = Ids(id_of(CHECKOUT, numbers[0] - 1), id_of(CHECKOUT, numbers[-1] + 1))
    done = await finished(stand, "payment", ids, count)
    return _until_last(began, done, used(stand, before, count))


async def facade_through_rest(stand: Stand, kind: Kind, processes: int, seconds: float, count: int) -> Round:
    """The same loop against so many processes of a facade."""
    async with AsyncExitStack() as running:
        servers = [await running.enter_async_context(served(stand, kind)) for _ in range(processes)]
        job = await job_for_facade(stand, servers, seconds, count)
        pids = [server.pid for server in servers]
        before = stand.cpu() | {FACADE: cpu_seconds(pids)}
        outcome = await ask(stand, job)
        done = await finished(stand, FACADE, Ids(outcome.since), len(outcome.accepted))
        return _after_warm_up(outcome, done, used(stand, before, len(done), pids))


async def facade_direct(stand: Stand, kind: Kind, processes: int, count: int) -> Round:
    """So many checkouts by processes of a facade that are called without REST."""
    extra = processes * WARM_UP_NUMBERS
    numbers = await stand.insert(OPEN, extra + count, into_facade=True)
    async with AsyncExitStack() as running:
        warm_ups = [numbers[position:extra:processes] for position in range(processes)]
        workers = [await running.enter_async_context(direct(stand, kind, warm_up)) for warm_up in warm_ups]
        pids = [worker.pid for worker in workers]
        ids, before, began = Ids(new_id()), stand.cpu() | {FACADE: cpu_seconds(pids)}, time.time()
        shares = [json.dumps(list(numbers[extra + position :: processes])) for position in range(processes)]
        await asyncio.gather(*(worker.tell(share) for worker, share in zip(workers, shares, strict=True)))
        done = await finished(stand, FACADE, ids, count)
        return _until_last(began, done, used(stand, before, count, pids))


async def job_for_saga(stand: Stand, seconds: float, count: int, rate: float | None = None) -> Job:
    """Checkouts to be made through payment_svc, with their rows."""
    numbers = await stand.insert(OPEN, count)
    return _job(stand, [stand.port("payment")], "payment", numbers, seconds, rate)


async def job_for_facade(
    stand: Stand, servers: Sequence[Server], seconds: float, count: int, rate: float | None = None
) -> Job:
    """Checkouts to be made through the facade, with their rows."""
    numbers = await stand.insert(OPEN, count, into_facade=True)
    return _job(stand, [server.port for server in servers], FACADE, numbers, seconds, rate)


async def finished(stand: Stand, database: str, ids: Ids, count: int) -> list[Finished]:
    """The checkouts between two ids, once that many are completed and delivered, the earliest first.

    Raises AssertionError when it takes far too long: one that does not end got lost.
    """
    between = "checkout_id > $1 AND checkout_id < $2"
    query = f"""
        SELECT checkout_id,
               extract(epoch FROM pg_xact_commit_timestamp(checkout.xmin))::float8,
               extract(epoch FROM pg_xact_commit_timestamp(delivery.xmin))::float8
        FROM checkout JOIN delivery USING (checkout_id) WHERE {between} AND checkout.status = 'COMPLETED'
    """  # noqa: S608  # nothing but the line above
    async with stand.session(database) as session:

        async def delivered() -> int:
            return int(await session.fetchval(f"SELECT count(*) FROM delivery WHERE {between}", *ids))  # noqa: S608

        await eventually(delivered, lambda seen: seen >= count, within=60 + count / SLOWEST)
        done = [Finished(*row) for row in await session.fetch(query, *ids)]
    assert len(done) == count, f"{len(done)} checkouts of {count} were completed"
    return sorted(done, key=lambda one: max(one.completed, one.delivered))


def used(stand: Stand, before: Mapping[str, float], checkouts: int, facade: Sequence[int] = ()) -> dict[str, float]:
    """The processor time since `before`, in seconds for 1,000 checkouts."""
    now = stand.cpu() | ({FACADE: cpu_seconds(facade)} if facade else {})
    return {name: 1_000 * (now[name] - earlier) / checkouts for name, earlier in before.items()}


def _after_warm_up(outcome: Outcome, done: Sequence[Finished], cpu: Mapping[str, float]) -> Round:
    since = _since(outcome.began, done)
    counted = sum(at > WARM_UP for at in since)
    load = {"load": 1_000 * outcome.cpu_seconds / len(since)}
    return Round(counted / (since[-1] - WARM_UP), {**cpu, **load}, since)


def _until_last(began: float, done: Sequence[Finished], cpu: Mapping[str, float]) -> Round:
    since = _since(began, done)
    return Round(len(since) / since[-1], cpu, since)


def _since(began: float, done: Sequence[Finished]) -> list[float]:
    return [max(one.completed, one.delivered) - began for one in done]


def _job(stand: Stand, ports: list[int], database: str, numbers: range, seconds: float, rate: float | None) -> Job:
    return Job(
        ports=ports,
        database_url=stand.url(database),
        signing_key=stand.environment["TOKEN_SIGNING_KEY"],
        first=numbers[0],
        last=numbers[-1],
        seconds=seconds,
        rate=rate,
    )


async def _publish(stand: Stand, numbers: range) -> None:
    """Put the requests of checkouts that have begun on the broker, as payment_svc would have."""
    url = stand.environment["PAYMENT_RABBITMQ_URL"]
    publisher = Publisher("payment", url)

    async def connected() -> bool:
        return publisher.connected

    async with await aio_pika.connect(url) as connection:
        serving = asyncio.create_task(publisher.serve(connection))
        await eventually(connected)
        for first in range(0, len(numbers), PUBLISH_AT_ONCE):
            messages = [requested(number) for number in numbers[first : first + PUBLISH_AT_ONCE]]
            confirmed = await publisher.publish(messages)
            assert len(confirmed) == len(messages), "the broker did not take all messages"
        serving.cancel()
