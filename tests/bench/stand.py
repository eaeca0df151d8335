"""The stand that everything is measured on: one stack, and beside its databases one more for the facade."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

import stack
from stack.credentials import ADMIN, Credentials
from stack.directory import Directory
from stack.run.probe import answers
from stack.services import SERVICES
from tests.bench import facade, rows
from tests.bench.processes import cpu_seconds, peak_bytes, resident_bytes, titled
from tests.chaos.programs import PROGRAMS, Programs, variables
from tests.end_to_end.databases import database_url
from tests.end_to_end.eventually import eventually

Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

FACADE = "facade"
ADMIN_DATABASE = "postgres"
FIRST_NUMBER = 10_000
"""Above the seats of the catalogue, which are numbered too"""
READY_WITHIN = 60.0


@dataclass
class Stand:
    """A running stack and what the bench remembers of it."""

    path: Path
    environment: Mapping[str, str]
    programs: Programs
    accepted: set[UUID] = field(default_factory=set)
    """Every checkout that a client of the saga was told exists"""
    peaks: dict[str, int] = field(default_factory=dict)
    """The most memory that each kind of process has had, in bytes"""
    _next: int = FIRST_NUMBER

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, path: Path) -> AsyncIterator[Self]:
        """A stand in `path`, up while the context lasts."""
        stand = cls(path, await asyncio.to_thread(stack.up, path), Programs(path))
        try:
            await stand._note_commits()
            await stand._create_facade()
            yield stand
        finally:
            await asyncio.to_thread(stack.down, path)

    async def restart(self, max_batch: int) -> None:
        """Stop everything, and start it anew with batches of this size."""
        self.note_peaks()
        await asyncio.to_thread(stack.down, self.path)
        with variables({f"{service.upper()}_MAX_BATCH": str(max_batch) for service in SERVICES}):
            self.environment = await asyncio.to_thread(stack.up, self.path)

    @contextlib.asynccontextmanager
    async def session(self, database: str) -> AsyncIterator[Session]:
        """A session in the database of a service or of the facade."""
        connection = await asyncpg.connect(self.url(database))
        try:
            yield connection
        finally:
            await connection.close()

    def url(self, database: str) -> str:
        """Where a database is; those that belong to no service are seen with the rights of the administrator."""
        return (
            self._admin_url(database)
            if database in (FACADE, ADMIN_DATABASE)
            else database_url(self.environment, database)
        )

    @property
    def credentials(self) -> Credentials:
        """The secrets of the stack."""
        return Credentials.of(Directory.of(self.path))

    def port(self, service: str) -> int:
        """Where a service listens."""
        return int(self.environment[f"{service.upper()}_URL"].rpartition(":")[2])

    async def insert(self, state: rows.State, count: int, *, into_facade: bool = False) -> range:
        """Insert the rows of so many checkouts; returns their numbers, which nobody has had before."""
        numbers = self.numbers(count)
        for service, statements in rows.statements(state).items():
            await self._execute(FACADE if into_facade else service, statements, numbers[0], numbers[-1])
        return numbers

    def numbers(self, count: int) -> range:
        """So many numbers that nobody has had before."""
        self._next += count
        return range(self._next - count, self._next)

    def cpu(self) -> dict[str, float]:
        """The processor time that everything has used so far, by what it belongs to."""
        pids = {name: self.programs.pid(name) for name in (*PROGRAMS, "window", "rabbitmq", "postgres", "platform")}
        found = {name: cpu_seconds([pid]) for name, pid in pids.items() if pid is not None}
        found["window sessions"] = cpu_seconds(titled(pids["postgres"] or 0, "postgres: window window "))
        return found | {"postgres": found["postgres"] - found["window sessions"]}

    def resident(self) -> dict[str, int]:
        """The memory that broker and services have now, in bytes."""
        pids = {name: self.programs.pid(name) for name in ("rabbitmq", *PROGRAMS)}
        return {name: resident_bytes(pid) for name, pid in pids.items() if pid is not None}

    def note_peaks(self) -> None:
        """Remember the most memory that each service has had until now."""
        for name, pid in self.programs.services().items():
            if pid is not None:
                self.note_peak(name, peak_bytes(pid))

    def note_peak(self, name: str, size: int) -> None:
        """Remember the most memory that a kind of process has had."""
        self.peaks[name] = max(self.peaks.get(name, 0), size)

    @contextlib.asynccontextmanager
    async def frozen(self, program: str) -> AsyncIterator[None]:
        """Let a process stand still while the context lasts, which must be shorter than two heartbeats."""
        pid = await self.programs.send(program, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    async def checkpoint(self) -> None:
        """Have PostgreSQL write down now what it would otherwise write down while something is measured."""
        connection = await asyncpg.connect(self._admin_url(ADMIN_DATABASE))
        await connection.execute("CHECKPOINT")
        await connection.close()

    async def ready(self) -> None:
        """Wait until all services are."""

        async def look() -> bool:
            urls = [f"{self.environment[f'{service.upper()}_URL']}/readyz" for service in SERVICES]
            return all(await asyncio.gather(*map(answers, urls)))

        await eventually(look, within=READY_WITHIN)

    async def _execute(self, database: str, statements: Sequence[str], first: int, last: int) -> None:
        async with self.session(database) as session:
            for statement in statements:
                await session.execute(statement, first, last)

    async def _note_commits(self) -> None:
        """Have PostgreSQL note when each transaction committed, which takes a restart of it."""
        connection = await asyncpg.connect(self._admin_url(ADMIN_DATABASE))
        await connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        await connection.close()
        await self.programs.end("postgres", signal.SIGINT)
        await self.ready()

    async def _create_facade(self) -> None:
        connection = await asyncpg.connect(self._admin_url(ADMIN_DATABASE))
        await connection.execute(f"CREATE DATABASE {FACADE}")
        await connection.close()
        await facade.create_tables(self.url(FACADE))
        async with self.session(FACADE) as session:
            await session.execute("CREATE TABLE floor (at timestamptz)")

    def _admin_url(self, database: str) -> str:
        place = urlsplit(self.environment["POINT_DATABASE_URL"])
        user = f"{ADMIN}:{self.credentials.admin}"
        return place._replace(netloc=f"{user}@{place.hostname}:{place.port}", path=f"/{database}").geturl()
