"""What is measured, one function for each part of a run; each adds to the figures."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median

from pydantic import TypeAdapter

from stack.services import SERVICES
from tests.bench import archive, ceiling, contenders, drivers, growth, large, latency, replicas, rush, window
from tests.bench.contenders import Round
from tests.bench.figures import Ceiling, Drain, Driver, Figures, Growth, Overload, Watched
from tests.bench.goals import load_of
from tests.bench.messages import of_checkout
from tests.bench.progress import Progress
from tests.bench.rows import OPEN
from tests.bench.scale import CALM, MAX_BATCH, MAX_BATCHES_OF_ONE, Scale
from tests.bench.stand import ADMIN_DATABASE, FACADE, Stand
from tests.bench.workers import Kind, Worker, process
from tests.chaos.programs import PROGRAMS


@dataclass(frozen=True)
class Measure:
    """A part of a run, and into how many steps it falls."""

    run: Callable[[Stand, Scale, Figures, Progress], Awaitable[None]]
    steps: Callable[[Scale], int]


GUESS = 300.0
"""Checkouts per second, as long as nothing is known"""
FEW = 200
OVERLOAD = 3.0
"""How many times the load that saturates is more than enough"""
CURVE = 100
PROCESSES = 2
PARTS = 10


async def saturation(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """All contenders, one after the other, round after round, so that a machine that drifts drifts for all.

    Without the window: no facade has one, and what it costs is measured by itself.
    """
    for turn in range(scale.rounds):
        for name in scale.contenders:
            progress.next(f"{LABELS[name]}, round {turn + 1} of {scale.rounds}")
            async with window.away(stand):
                done = await CONTENDERS[name](stand, scale.seconds, _rows(figures, name, scale.seconds))
            figures.add_round(name, done.per_second, done.cpu)


async def latencies(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """Open loops at a calm rate and at shares of what each contender can do, and what could not be faster.

    Without the window, as saturation.
    """
    progress.next("five commits and five confirmed publishes in a row")
    figures.floor = await latency.floor(stand, CALM, scale.latency_seconds)
    for share in (None, *scale.loads):
        for name in ("saga", "facade"):
            rate = CALM if share is None else load_of(figures, name, share)
            progress.next(f"{LABELS[name]}, {rate:.0f} requests per second")
            async with window.away(stand):
                if name == "saga":
                    found = await latency.of_saga(stand, rate, scale.latency_seconds, figures.floor.commit)
                else:
                    found = await latency.of_facade(stand, PROCESSES, rate, scale.latency_seconds)
            figures.latency.append(found)


async def ceilings(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """The broker alone and the database alone, with as many messages and commits as so many checkouts have."""
    progress.next("the same messages through the broker alone, and the same commits")
    messages = len(of_checkout(1))
    checkouts = int(scale.seconds * GUESS) // PROCESSES
    async with AsyncExitStack() as running:
        started = [await running.enter_async_context(process("tests.bench.ceiling")) for _ in range(PROCESSES)]
        jobs = [
            ceiling.Job(
                name=f"bench.{position}",
                checkouts=checkouts,
                commits=checkouts * messages,
                rabbitmq_url=stand.environment["RABBITMQ_URL"],
                database_url=stand.url(FACADE),
            ).model_dump_json()
            for position in range(PROCESSES)
        ]
        lines = await asyncio.gather(*(Worker(one).tell(job) for one, job in zip(started, jobs, strict=True)))
    took = [ceiling.Took.model_validate_json(line) for line in lines]
    commits = sum(checkouts * messages / one.commits for one in took)
    figures.ceiling = Ceiling(
        checkouts_by_messages=sum(checkouts / one.messages for one in took),
        commits=commits,
        checkouts_by_commits=commits / messages,
    )


async def idle(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """What the services use when nothing is asked of them."""
    progress.next("nothing, to see what the services use then")
    await asyncio.sleep(scale.idle_seconds / 3)  # what came before has its own aftermath: not measured
    before = stand.cpu()
    await asyncio.sleep(scale.idle_seconds)
    after = stand.cpu()
    figures.idle_percent = 100 * sum(after[name] - before[name] for name in PROGRAMS) / scale.idle_seconds


async def drain(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """A backlog, as after an outage."""
    progress.next(f"a backlog of {scale.backlog:,}")
    done = (await contenders.saga_from_broker(stand, scale.backlog)).finished
    step = max(len(done) // CURVE, 1)
    left = [(at, len(done) - position - 1) for position, at in enumerate(done) if position % step == 0]
    figures.drain = Drain(checkouts=len(done), seconds=done[-1], left=[(0.0, len(done)), *left, (done[-1], 0)])


async def batches(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """Throughput from the broker over the size of batches, there and back, so that a drift hits all alike."""
    for most in (*scale.batches, *reversed(scale.batches)):
        progress.next(f"{LABELS['broker']}, batches of {most}")
        await stand.restart(most)
        count = _rows(figures, "broker", scale.seconds) * (MAX_BATCHES_OF_ONE if most == 1 else 1)
        done = await contenders.saga_from_broker(stand, int(count))
        figures.batches.setdefault(most, []).append(done.per_second)
    await stand.restart(MAX_BATCH)


async def grown(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """Throughput with and without a past."""

    async def measured(what: str) -> float:
        rounds = []
        for turn in range(scale.rounds):
            progress.next(f"{LABELS['saga']}, {what} tables, round {turn + 1} of {scale.rounds}")
            count = _rows(figures, "saga", scale.seconds)
            rounds.append((await contenders.saga_through_rest(stand, scale.seconds, count)).per_second)
        return median(rounds)

    empty = await measured("empty")
    progress.next(f"{scale.past:,} finished checkouts are put into the tables")
    await growth.add(stand, scale.past)
    full = await measured("grown")
    progress.next("and taken out again")
    await growth.remove(stand, scale.past)
    figures.growth = Growth(finished=scale.past, empty=empty, full=full)


async def overload(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """What saturates, and several times as much, in turns: what is accepted must go on being done."""
    found = Overload(factor=OVERLOAD)
    for turn in range(scale.rounds):
        progress.next(f"{LABELS['saga']}, saturated, round {turn + 1} of {scale.rounds}")
        count = _rows(figures, "saga", scale.overload_seconds)
        found.saturation.append((await contenders.saga_through_rest(stand, scale.overload_seconds, count)).per_second)
        rate = round(OVERLOAD * median(found.saturation))
        progress.next(f"{LABELS['saga']}, {rate} requests per second, round {turn + 1} of {scale.rounds}")
        done = await contenders.saga_overloaded(stand, scale.overload_seconds, rate)
        found.completed.append(done.completed)
        found.delivered.append(done.delivered)
        found.turned_away.append(done.turned_away)
    figures.overload = found


async def rushed(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """Many fans who want the same few seats."""
    progress.next(f"{scale.rush:,} fans want the same seats")
    async with window.away(stand):
        figures.rush = await rush.measure(stand, scale.rush)


async def between_drivers(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """The driver of the store beside the other one."""
    progress.next(f"asyncpg beside psycopg, {scale.driver_rounds} rounds")
    seats = await stand.insert(OPEN, drivers.SESSIONS * max(drivers.BLOCKS), into_facade=True)
    job = drivers.Job(database_url=stand.url(FACADE), first=seats[0], rounds=scale.driver_rounds)
    async with process("tests.bench.drivers") as running:
        line = await Worker(running).tell(job.model_dump_json())
    figures.drivers = TypeAdapter(list[Driver]).validate_json(line)


async def at_scale(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """Every statement beside very many rows."""
    figures.large = await large.measure(stand.url(ADMIN_DATABASE), scale.large, progress.next)


async def endurance(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """What broker and services hold in memory, the more checkouts they have done."""
    figures.endurance[0] = stand.resident()
    for part in range(1, PARTS + 1):
        progress.next(f"{LABELS['broker']}, part {part} of {PARTS} of {scale.endurance:,}")
        await contenders.saga_from_broker(stand, scale.endurance // PARTS)
        figures.endurance[part * scale.endurance // PARTS] = stand.resident()


async def watched(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """Throughput with the window and without it, in turns, each the first as often as the other; then it alone."""
    found = figures.watched = Watched()
    for turn in range(scale.watched_rounds):
        for contest in (found.watched, found.unwatched)[:: -1 if turn % 2 else 1]:
            with_or_without = "with" if contest is found.watched else "without"
            progress.next(f"{LABELS['saga']}, {with_or_without} the window, round {turn + 1} of {scale.watched_rounds}")
            async with contextlib.nullcontext() if contest is found.watched else window.away(stand):
                done = await contenders.saga_through_rest(stand, scale.seconds, int(scale.seconds * 2 * GUESS))
            contest.add(done.per_second, done.cpu)
    found.lag = await window.lag(stand)
    progress.next(f"the messages of {scale.unheard:,} checkouts wait for the window")
    found.backlog, found.stored_per_second, found.told_per_second = await window.backlog(stand, scale.unheard)


async def archived(stand: Stand, scale: Scale, figures: Figures, progress: Progress) -> None:
    """Every page and search of the window beside very many events."""
    admin_url = stand.url(ADMIN_DATABASE)
    figures.archive = await archive.measure(admin_url, scale.events, scale.questions, progress.next)


def _rows(figures: Figures, name: str, seconds: float) -> int:
    """As many checkouts as a contender can do in this time, by what is known of it, and some more through REST."""
    known = figures.saturation[name].rounds if name in figures.saturation else [GUESS]
    if name in THROUGH_REST:
        return int(seconds * 2 * max(GUESS, *known))
    return int(seconds * known[-1]) + FEW


async def _saga(stand: Stand, seconds: float, count: int) -> Round:
    return await contenders.saga_through_rest(stand, seconds, count)


async def _facade(stand: Stand, seconds: float, count: int) -> Round:
    return await contenders.facade_through_rest(stand, Kind.ORM, PROCESSES, seconds, count)


async def _facade_sql(stand: Stand, seconds: float, count: int) -> Round:
    return await contenders.facade_through_rest(stand, Kind.SQL, PROCESSES, seconds, count)


async def _broker(stand: Stand, _: float, count: int) -> Round:
    return await contenders.saga_from_broker(stand, count)


async def _direct(stand: Stand, _: float, count: int) -> Round:
    return await contenders.facade_direct(stand, Kind.ORM, PROCESSES, count)


async def _direct_sql(stand: Stand, _: float, count: int) -> Round:
    return await contenders.facade_direct(stand, Kind.SQL, PROCESSES, count)


THROUGH_REST = ("saga", "facade", "facade-sql")
CONTENDERS = {
    "saga": _saga,
    "facade": _facade,
    "broker": _broker,
    "direct": _direct,
    "facade-sql": _facade_sql,
    "direct-sql": _direct_sql,
}
LABELS = {
    "saga": "saga through REST",
    "facade": "facade through REST, 2 processes",
    "broker": "saga from the broker",
    "direct": "facade without REST, 2 processes",
    "facade-sql": "hand-written SQL through REST, 2 processes",
    "direct-sql": "hand-written SQL without REST, 2 processes",
}

MEASURES = {
    "saturation": Measure(saturation, lambda scale: scale.rounds * len(scale.contenders)),
    "latency": Measure(latencies, lambda scale: 1 + 2 * (1 + len(scale.loads))),
    "ceiling": Measure(ceilings, lambda _: 1),
    "idle": Measure(idle, lambda _: 1),
    "drain": Measure(drain, lambda _: 1),
    "batches": Measure(batches, lambda scale: 2 * len(scale.batches)),
    "overload": Measure(overload, lambda scale: 2 * scale.rounds),
    "rush": Measure(rushed, lambda _: 1),
    "growth": Measure(grown, lambda scale: 2 * scale.rounds + 2),
    "window": Measure(watched, lambda scale: 2 * scale.watched_rounds + 1),
    "replicas": Measure(replicas.measure, replicas.steps),
    "drivers": Measure(between_drivers, lambda _: 1),
    "endurance": Measure(endurance, lambda _: PARTS),
    "scale": Measure(at_scale, lambda _: 1 + len(SERVICES)),
    "archive": Measure(archived, lambda _: 3),
}
"""By name, in the order of a run"""
ASIDE = {"drivers", "endurance", "scale", "archive"}
"""About a decision, or for long: measured only when it is named"""
