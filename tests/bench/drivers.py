"""`python -m tests.bench.drivers`: asyncpg beside psycopg 3, in the transaction that a batch of events is.

The statements are what the chassis says: it says them once to a recorder, and each driver then says the same to
PostgreSQL. Only the drivers are timed. They take turns in blocks of a fraction of a second, so that a machine that
drifts drifts for all. The program reads a job from its input and answers with a line of figures.
"""

import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeAlias, cast
from uuid import UUID

import asyncpg
import psycopg
import uvloop
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.choreography.envelope import Envelope
from chassis.ids import new_id
from chassis.store import inbox, outbox
from chassis.store.mapper import Connection, mapper_of
from chassis.store.models import frame
from chassis.store.outbox import Outgoing
from chassis.store.postgres import async_url
from chassis.telemetry.tracing import traceparent_after
from contracts import payment, seat
from seat_svc.models import Seat, SeatStatus
from tests.bench.figures import Driver
from tests.bench.processes import cpu_seconds
from tests.bench.rows import CHECKOUT, PAYMENT, PRICE, id_of, user_of

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


Statement: TypeAlias = "tuple[str, Sequence[Any]]"


class Batch(NamedTuple):
    """The statements of one transaction, without `BEGIN` and `COMMIT`, and how many events it is about."""

    events: int
    accept: Statement
    lock: Statement
    update: Statement
    put: Statement


class Session(Protocol):
    """A connection of one of the drivers."""

    @property
    def pid(self) -> int:
        """The process of the server that serves this session."""

    async def commit(self, batch: Batch) -> tuple[set[UUID], Sequence[Any]]:
        """Make the transaction; returns the ids that were new to the inbox, and the locked rows."""


class Asyncpg:
    """asyncpg, as the chassis uses it: six round trips."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    async def opened(cls, url: str, closing: AsyncExitStack) -> Session:
        """A session that ends with the context."""
        connection = await asyncpg.connect(url)
        closing.push_async_callback(connection.close)
        return cls(connection)

    @property
    def pid(self) -> int:
        """The process of the server that serves this session."""
        return self._connection.get_server_pid()

    async def commit(self, batch: Batch) -> tuple[set[UUID], Sequence[Any]]:
        """Make the transaction, statement by statement."""
        await self._connection.execute("BEGIN")
        fresh = await self._connection.fetch(batch.accept[0], *batch.accept[1])
        rows = await self._connection.fetch(batch.lock[0], *batch.lock[1])
        await self._connection.execute(batch.update[0], *batch.update[1])
        await self._connection.execute(batch.put[0], *batch.put[1])
        await self._connection.execute("COMMIT")
        return {record[0] for record in fresh}, rows


class Merged(Asyncpg):
    """asyncpg with the two writes made one statement: five round trips."""

    async def commit(self, batch: Batch) -> tuple[set[UUID], Sequence[Any]]:
        """Make the transaction; nobody is told how many rows were updated."""
        await self._connection.execute("BEGIN")
        fresh = await self._connection.fetch(batch.accept[0], *batch.accept[1])
        rows = await self._connection.fetch(batch.lock[0], *batch.lock[1])
        sql = _merged(batch.update[0], batch.put[0], len(batch.update[1]))
        await self._connection.execute(sql, *batch.update[1], *batch.put[1])
        await self._connection.execute("COMMIT")
        return {record[0] for record in fresh}, rows


class Psycopg:
    """psycopg 3 at its best without a pipeline: compiled, prepared, binary, its cursors kept."""

    def __init__(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self._connection = connection
        self._begin, self._accept, self._lock, self._write = (connection.cursor(binary=True) for _ in range(4))

    @classmethod
    async def opened(cls, url: str, closing: AsyncExitStack) -> Session:
        """A session that ends with the context."""
        connection = await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=0)
        closing.push_async_callback(connection.close)
        return cls(connection)

    @property
    def pid(self) -> int:
        """The process of the server that serves this session."""
        return self._connection.info.backend_pid

    async def commit(self, batch: Batch) -> tuple[set[UUID], Sequence[Any]]:
        """Make the transaction, statement by statement."""
        await self._begin.execute("BEGIN", prepare=False)
        await self._accept.execute(*_in_psycopg(batch.accept))
        fresh = await self._accept.fetchall()
        await self._lock.execute(*_in_psycopg(batch.lock))
        rows = await self._lock.fetchall()
        await self._write.execute(*_in_psycopg(batch.update))
        await self._write.execute(*_in_psycopg(batch.put))
        await self._begin.execute("COMMIT", prepare=False)
        return {record[0] for record in fresh}, rows


class Pipelined(Psycopg):
    """psycopg 3 in pipeline mode: two round trips, one up to the locked rows and one from there on."""

    async def commit(self, batch: Batch) -> tuple[set[UUID], Sequence[Any]]:
        """Make the transaction; what depends on no answer is sent together."""
        async with self._connection.pipeline():
            await self._begin.execute("BEGIN", prepare=False)
            await self._accept.execute(*_in_psycopg(batch.accept))
            await self._lock.execute(*_in_psycopg(batch.lock))
            rows = await self._lock.fetchall()
            fresh = await self._accept.fetchall()
            await self._write.execute(*_in_psycopg(batch.update))
            await self._write.execute(*_in_psycopg(batch.put))
            await self._begin.execute("COMMIT", prepare=False)
        return {record[0] for record in fresh}, rows


DRIVERS: dict[str, Callable[[str, AsyncExitStack], Awaitable[Session]]] = {
    "asyncpg": Asyncpg.opened,
    "asyncpg, merged": Merged.opened,
    "psycopg": Psycopg.opened,
    "psycopg, pipeline": Pipelined.opened,
}
"""The first one is what the others are compared with."""

_NUMBERED = re.compile(r"\$(\d+)")


def _in_psycopg(statement: Statement) -> Statement:
    return _translated(statement[0]), statement[1]


@cache
def _translated(sql: str) -> str:
    """With psycopg's marks for binary arguments; ours stand in the order of their numbers, once each."""
    return _NUMBERED.sub("%b", sql)


@cache
def _merged(first: str, then: str, offset: int) -> str:
    """The second statement, which begins with WITH, after the first; its arguments are counted on from `offset`."""
    renumbered = _NUMBERED.sub(lambda found: f"${int(found[1]) + offset}", then)
    return renumbered.replace("WITH", f"WITH changed AS ({first}),", 1)


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
        engine = create_async_engine(async_url(self._job.database_url), poolclass=NullPool)
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
