"""Several processes of each service: what they do together, on one hot evening and on many, and how long one waits."""

import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from statistics import median
from uuid import UUID

from pydantic_core import from_json

from stack.services import SERVICES
from tests.bench.client import Connection
from tests.bench.figures import Figures
from tests.bench.fleet import WAITED_FOR, Fleet
from tests.bench.load import Job, Outcome
from tests.bench.progress import Progress
from tests.bench.scale import Scale
from tests.bench.stand import ADMIN_DATABASE, Stand
from tests.bench.wishes import HERE, MANNERS, Wish
from tests.bench.workers import ask
from tests.chaos.beside import beside
from tests.end_to_end.eventually import eventually

WARM_UP = 1.0
"""Seconds at the start of a round that are not counted"""
MAX_PER_SECOND = 900
"""More than can be done of anything, so that nothing runs out"""
ENDS_WITHIN = 120.0
PATIENCE = "wait=10"
KINDS = ((Wish.CHARGE, False), (Wish.HOLD, False), (Wish.HOLD, True), (Wish.CHECKOUT, False), (Wish.CHECKOUT, True))

Ports = dict[str, list[int]]


def steps(scale: Scale) -> int:
    """How many steps of a run this is."""
    return len(counts(scale)) + len(scale.replicas) * len(KINDS) * scale.replica_rounds


def counts(scale: Scale) -> Sequence[int]:
    """Numbers of processes of each service, the smallest first."""
    return sorted({*scale.replicas, WAITED_FOR})


async def measure(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """With ever more processes: one fan who waits, then all that can be done, hot and not in turns."""
    found = figures.fleet = Fleet()
    async with AsyncExitStack() as running:
        ports: Ports = {service: [stand.port(service)] for service in SERVICES}
        for count in counts(scale):
            progress.next(f"{count} of each service, one checkout after the other, waited for")
            while len(ports["payment"]) < count:
                await running.enter_async_context(_one_more(stand, ports))
            found.waits[count] = await _wait(stand, ports["payment"], scale.waits)
            for turn in range(scale.replica_rounds if count in scale.replicas else 0):
                await _round(stand, scale, ports, found, progress, turn)


@asynccontextmanager
async def _one_more(stand: Stand, ports: Ports) -> AsyncIterator[None]:
    """One more process of each service while the context lasts."""
    async with AsyncExitStack() as running:
        for service in SERVICES:
            second = await running.enter_async_context(beside(stand.programs, service))
            ports[service].append(second.port)
        yield


async def _round(stand: Stand, scale: Scale, ports: Ports, found: Fleet, progress: Progress, turn: int) -> None:
    count = len(ports["payment"])
    for wish, is_hot in KINDS[:: -1 if turn % 2 else 1]:
        throughput = found.of(wish, count, is_hot=is_hot)
        progress.next(f"{count} of each service, {throughput.name}, round {turn + 1} of {scale.replica_rounds}")
        throughput.add(*await _all_that_can_be_done(stand, wish, ports, scale.replica_seconds, is_hot=is_hot))


async def _all_that_can_be_done(
    stand: Stand, wish: Wish, ports: Ports, seconds: float, *, is_hot: bool
) -> tuple[float, float]:
    """How many are done in a second, the last one included, in a closed loop; and how many commits each took."""
    manner, count = MANNERS[wish], int(seconds * MAX_PER_SECOND)
    if manner.rows is None:
        numbers = stand.numbers(count)
    else:
        hot = replace(manner.rows, seats_of_a_date=count)
        numbers = await stand.insert(hot if is_hot else manner.rows, count)
    job = Job(
        ports=ports[manner.service],
        database_url=stand.url(manner.service),
        signing_key=stand.environment["TOKEN_SIGNING_KEY"],
        first=numbers[0],
        last=numbers[-1],
        seconds=seconds,
        wish=wish,
    )
    await stand.checkpoint()
    before = await _commits(stand)
    outcome = await ask(stand, job)
    assert len(outcome.accepted) < count, f"{count} were not enough for {seconds} s"
    ends = await _ends(stand, wish, outcome)
    commits = await _commits(stand) - before
    return sum(at > WARM_UP for at in ends) / (ends[-1] - WARM_UP), commits / len(ends)


async def _commits(stand: Stand) -> int:
    """How many transactions there were in the databases of the services."""
    async with stand.session(ADMIN_DATABASE) as session:
        return int(await session.fetchval(_COMMITS, list(SERVICES)))


_COMMITS = "SELECT sum(xact_commit) FROM pg_stat_database WHERE datname = ANY($1::text[])"


async def _ends(stand: Stand, wish: Wish, outcome: Outcome) -> list[float]:
    """When each was done, in seconds since the start; raises AssertionError when some are not in the end."""
    manner, count = MANNERS[wish], len(outcome.accepted)
    async with stand.session(manner.service) as session:

        async def done() -> int:
            return int(await session.fetchval(manner.done, outcome.since))

        await eventually(done, lambda seen: seen >= count, within=ENDS_WITHIN)
        rows = await session.fetch(manner.ends, outcome.since)
    assert len(rows) == count, f"{len(rows)} of {count} were done"
    return [row["at"] - outcome.began for row in rows]


async def _wait(stand: Stand, ports: Sequence[int], count: int) -> float:
    """The p50 of checkouts that are waited for, one after the other, at each process in turn."""
    manner = MANNERS[Wish.CHECKOUT]
    numbers = await stand.insert(manner.rows, count) if manner.rows else range(0)
    connections = [await Connection.to(HERE, port) for port in ports]
    took = []
    for number, connection in zip(numbers, itertools.cycle(connections), strict=False):
        request = manner.request(number, stand.environment["TOKEN_SIGNING_KEY"], PATIENCE)
        began = time.perf_counter()
        answer = await connection.ask(request)
        took.append(time.perf_counter() - began)
        state = from_json(answer.body)
        assert state.get("status") == "completed", state
        stand.accepted.add(UUID(state["checkout_id"]))
    for connection in connections:
        connection.close()
    return median(took)
