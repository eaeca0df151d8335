"""`python -m tests.bench.drivers`: asyncpg beside psycopg 3, in the transaction that a batch of events is.

The statements are what the chassis says: it says them once to a recorder, and each driver then says the same to
PostgreSQL. Only the drivers are timed. They take turns in blocks of a fraction of a second, so that a machine that
drifts drifts for all. The program reads a job from its input and answers with a line of figures.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import uvloop
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import NullPool

from chassis.choreography.envelope import Envelope
from chassis.ids import new_id
from chassis.store import inbox, outbox
from chassis.store.mapper import Connection, mapper_of
from chassis.store.models import frame
from chassis.store.outbox import Outgoing
from chassis.store.postgres import engine as engine_of
from chassis.telemetry.tracing import traceparent_after
from contracts import payment, seat
from seat_svc.models import Seat, SeatStatus
from tests.bench.figures import Driver
from tests.bench.processes import cpu_seconds
from tests.bench.rows import CHECKOUT, PAYMENT, PRICE, id_of, user_of
from tests.bench.sessions import DRIVERS, Batch, Session, Statement

STEP = "seat.reserve"
SESSIONS = 4
"""Sessions that are at work at the same time when throughput is measured"""
WARM_UP = 5
"""Transactions of each session before it is measured: both drivers prepare their statements in the first"""
BLOCKS = {1: 120, 20: 60, 200: 16}
"""By the number of events in a transaction, how many transactions a block has"""
MAX_SECONDS = 120.0
"""No round begins after this time; one takes some seconds"""


class Job(BaseModel):
    """Where the seats with these numbers are, and how much is to be done with them."""

    database_url: str
    first: int
    rounds: int
    """At most"""


class _Recorder:
    """Stands where a connection of asyncpg does, and remembers what it is told."""

    def __init__(self) -> None:
        self.said: list[Statement] = []

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        self.said.append((sql, arguments))
        return []

    async def execute(self, sql: str, *arguments: Any) -> str:
        self.said.append((sql, arguments))
        return f"UPDATE {len(arguments[0])}"


@dataclass
class Work:
    """Makes the batches of one session, each about the same seats and with events of its own."""

    numbers: range
    date: int
    _confirmed: list[UUID] = field(default_factory=list)
    """What the batch before has said: the broker has it by now, so this one deletes it"""

    async def batches(self, count: int) -> list[Batch]:
        """So many batches, to be committed in this order."""
        recorded = await self._recorded()
        return [self._next(recorded) for _ in range(count)]

    def _next(self, recorded: Batch) -> Batch:
        """The same with new events: another event is an event with another id."""
        arrived, said = ([new_id() for _ in self.numbers] for _ in range(2))
        (accept, (step, _, *heard)), (put, (_, lease, _, *messages)) = recorded.accept, recorded.put
        batch = recorded._replace(
            accept=(accept, (step, arrived, *heard)), put=(put, (self._confirmed, lease, said, *messages))
        )
        self._confirmed = said
        return batch

    async def _recorded(self) -> Batch:
        recorder = _Recorder()
        connection = cast("Connection", recorder)
        arrived = [_envelope(_paid(number)) for number in self.numbers]
        said = [Outgoing.of(_envelope(seat.Reserved.after(cast("payment.Paid", one.event)))) for one in arrived]
        await inbox.accept(connection, STEP, arrived)
        await mapper_of(Seat).select(connection, "seat_id", self.numbers, lock=True)
        await mapper_of(Seat).update(connection, [self._seat(number) for number in self.numbers])
        await outbox.put(connection, said, [])
        return Batch(len(arrived), *recorder.said)

    def _seat(self, number: int) -> Seat:
        """The row after the step: what it holds is not what this is about."""
        return Seat(
            seat_id=number,
            date_id=self.date,
            label=f"B-{number}",
            price=PRICE,
            status=SeatStatus.RESERVED,
            holder=id_of(PAYMENT, number),
        )


def _paid(number: int) -> payment.Paid:
    return payment.Paid(
        checkout_id=id_of(CHECKOUT, number),
        payment_id=id_of(PAYMENT, number),
        user_id=user_of(number),
        amount=PRICE,
        deadline=datetime.now(UTC) + timedelta(hours=1),
        seat_ids=(number,),
    )


def _envelope(event: payment.Paid | seat.Reserved) -> Envelope:
    return Envelope(event, new_id(), new_id(), datetime.now(UTC), traceparent_after(None, event.saga_id))


class Contest:
    """The sessions of all drivers, what they have to do, and what has been measured."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._sessions: dict[str, list[Session]] = {}
        self._work = {size: list(_work(job.first, size)) for size in BLOCKS}
        self.found = [Driver(name=name, events=size) for size in BLOCKS for name in DRIVERS]

    async def run(self) -> None:
        """Measure everything, round by round, once all sessions are warm."""
        async with AsyncExitStack() as closing:
            await self._prepare(closing)
            for one in self.found:
                await self._together(one, WARM_UP)
            began = time.monotonic()
            for turn in range(self._job.rounds):
                if time.monotonic() - began > MAX_SECONDS:
                    break
                # There and back, so that what comes before a driver's block is not always the same.
                for one in self.found if turn % 2 else reversed(self.found):
                    await self._round(one)

    async def _prepare(self, closing: AsyncExitStack) -> None:
        engine = engine_of(self._job.database_url, poolclass=NullPool)
        async with engine.begin() as connection:
            await connection.run_sync(frame.create_all)
        for name, opened in DRIVERS.items():
            self._sessions[name] = [await opened(self._job.database_url, closing) for _ in range(SESSIONS)]

    async def _round(self, driver: Driver) -> None:
        """One block of a session that is alone, and one of several at once."""
        count = BLOCKS[driver.events]
        batches = await self._work[driver.events][0].batches(count)
        pids = [self._sessions[driver.name][0].pid]
        began = time.perf_counter(), time.process_time(), cpu_seconds(pids)
        await _commit(self._sessions[driver.name][0], batches)
        ended = time.perf_counter(), time.process_time(), cpu_seconds(pids)
        seconds, cpu, server = ((after - before) / count for before, after in zip(began, ended, strict=True))
        driver.seconds.append(seconds)
        driver.cpu.append(cpu)
        driver.server_cpu.append(server)
        driver.per_second.append(await self._together(driver, count // 2))

    async def _together(self, driver: Driver, count: int) -> float:
        """Transactions per second when every session makes so many."""
        batches = [await one.batches(count) for one in self._work[driver.events]]
        began = time.perf_counter()
        await asyncio.gather(*map(_commit, self._sessions[driver.name], batches))
        return SESSIONS * count / (time.perf_counter() - began)


def _work(first: int, size: int) -> Iterator[Work]:
    """The work of each session: seats of its own."""
    for start in range(first, first + SESSIONS * size, size):
        yield Work(range(start, start + size), date=first)


async def _commit(session: Session, batches: Sequence[Batch]) -> None:
    for batch in batches:
        fresh, rows = await session.commit(batch)
        assert len(fresh) == len(rows) == batch.events, f"{len(fresh)} events and {len(rows)} rows"


async def _serve() -> None:
    contest = Contest(Job.model_validate_json(sys.stdin.readline()))
    await contest.run()
    print(TypeAdapter(list[Driver]).dump_json(contest.found).decode(), flush=True)  # noqa: T201  # the answer


if __name__ == "__main__":
    uvloop.run(_serve())
