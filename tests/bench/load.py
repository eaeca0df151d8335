"""`python -m tests.bench.load`: the one process that all load through REST comes from, the same for all contenders.

It reads a line with a job and writes a line with what became of it, both as JSON. Closed loop: so many connections ask
again as soon as they are answered, while no more than so many are under way; a checkout is under way until the
delivery to the platform is stored, a hold until it is open. Open loop: requests have their times, whatever became of
those before.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from uuid import UUID

import asyncpg
import uvloop
from pydantic import BaseModel
from pydantic_core import from_json

from chassis.ids import new_id
from tests.bench.client import Answer, Connection
from tests.bench.wishes import HERE, MANNERS, Wish

CONNECTIONS = 64
MAX_CONNECTIONS = 512
LOOK_EVERY = 0.05


class Job(BaseModel):
    """Whom to ask for what, and how; a `rate`, in requests per second, makes the loop an open one."""

    ports: list[int]
    """Processes that do the same; the connections are shared out evenly among them"""
    database_url: str
    signing_key: str
    first: int
    last: int
    seconds: float
    rate: float | None = None
    max_under_way: int = 400
    wish: Wish = Wish.CHECKOUT


class Accepted(BaseModel):
    """A checkout or hold that was accepted, when it was meant to be asked for, when the answer came (since 1970)."""

    id: UUID
    intended: float
    answered: float


class Outcome(BaseModel):
    """What became of a job; `began` is when its first request was sent."""

    began: float
    since: UUID
    """Smaller than the id of all that comes of the job, and larger than all before"""
    accepted: list[Accepted]
    refused: list[str]
    cpu_seconds: float


@dataclass
class Load:
    """A job that is being done."""

    job: Job
    since: UUID = field(default_factory=new_id)
    accepted: list[Accepted] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _sent: int = 0
    _done: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Prepare the requests, so that sending one costs next to nothing."""
        self._manner = MANNERS[self.job.wish]
        numbers = range(self.job.first, self.job.last + 1)
        self._requests = [self._manner.request(number, self.job.signing_key) for number in numbers]
        self._ports = itertools.cycle(self.job.ports)

    async def run(self) -> Outcome:
        """Do it."""
        began = time.time()
        await (self._closed(began) if self.job.rate is None else self._open(began, self.job.rate))
        return Outcome(
            began=began,
            since=self.since,
            accepted=self.accepted,
            refused=self.refused,
            cpu_seconds=time.process_time(),
        )

    async def _closed(self, began: float) -> None:
        ends = began + self.job.seconds
        left = iter(self._requests)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            async with asyncio.TaskGroup() as asking:
                for _ in range(CONNECTIONS):
                    asking.create_task(self._ask_again_and_again(left, ends))
            watching.cancel()

    async def _ask_again_and_again(self, left: Iterator[bytes], ends: float) -> None:
        connection = await self._connect()
        for request in left:
            await self._admitted()
            now = time.time()
            if now > ends:
                break
            self._sent += 1
            connection = await self._ask(connection, request, now)
        connection.close()

    async def _open(self, began: float, rate: float) -> None:
        idle: list[Connection] = [await self._connect() for _ in range(CONNECTIONS)]
        room = asyncio.Semaphore(MAX_CONNECTIONS)

        async def ask(request: bytes, intended: float) -> None:
            async with room:
                connection = idle.pop() if idle else await self._connect()
                idle.append(await self._ask(connection, request, intended))

        async with asyncio.TaskGroup() as asking:
            for position, request in enumerate(self._requests[: int(rate * self.job.seconds)]):
                intended = began + position / rate
                await asyncio.sleep(intended - time.time())
                asking.create_task(ask(request, intended))
        for connection in idle:
            connection.close()

    async def _ask(self, connection: Connection, request: bytes, intended: float) -> Connection:
        """Ask once; returns the connection to be used next time."""
        if not connection.usable:
            connection.close()
            connection = await self._connect()
        answer = await connection.ask(request)
        answered = time.time()
        if answer.status in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            name = self._manner.id_name
            known = UUID(from_json(answer.body)[name]) if name else new_id()
            self.accepted.append(Accepted(id=known, intended=intended, answered=answered))
        else:
            self.refused.append(_described(answer))
        return connection

    async def _connect(self) -> Connection:
        return await Connection.to(HERE, next(self._ports))

    async def _admitted(self) -> None:
        while self._sent - self._done >= self.job.max_under_way:
            self._news.clear()
            await self._news.wait()

    async def _watch(self) -> None:
        """Count what is done. Ids grow with time, so the primary key finds the few rows that this is about."""
        connection = await asyncpg.connect(self.job.database_url)
        try:
            while True:
                done = await connection.fetchval(self._manner.done, self.since)
                self._done = done + len(self.refused)
                self._news.set()
                await asyncio.sleep(LOOK_EVERY)
        finally:
            connection.terminate()


def _described(answer: Answer) -> str:
    return f"{answer.status} {answer.body.decode(errors='replace')[:200]}"


def main() -> None:
    """Do the job on the standard input."""
    job = Job.model_validate_json(sys.stdin.readline())
    outcome = uvloop.run(Load(job).run()).model_dump_json()
    # With PYTHONUNBUFFERED `sys.stdout` loses what a pipe does not take at once; a buffer of our own does not.
    with open(sys.stdout.fileno(), "wb", closefd=False) as output:
        output.write(f"{outcome}\n".encode())


if __name__ == "__main__":
    main()
