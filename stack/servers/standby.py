"""Two PostgreSQL servers, of which one repeats what the other writes, before that is acknowledged to anybody.

Which of them is the primary changes with each failover, and is written down. A server that was one and is none any more
is fenced until it has been made anew as a copy of the other: what it alone may hold was acknowledged to nobody.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import asyncpg

from stack.credentials import ADMIN, REPLICA
from stack.directory import Directory, write_private
from stack.errors import StackError
from stack.program import Once, Program
from stack.servers.binaries import own
from stack.servers.fence import is_fenced
from stack.servers.handed_out import HandedOut
from stack.servers.postgres import Server
from stack.size import numbered

COPYING = "standby"
"""What waits until the standby copies everything, and the slot from which it does"""
_COPIES_WITHIN = 60.0
_ANSWERS_WITHIN = 2.0
"""For a primary that is believed to be dead"""
_PAUSE = 0.2
_PLACES = ("postgres", "postgres-2")
_COPIES = "SELECT count(*) FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming'"
_WAITS = "SELECT count(*) FROM pg_stat_replication WHERE application_name = $1 AND sync_state = 'sync'"
_FREE_SLOT = """
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active
"""


@dataclass(frozen=True)
class Pair:
    """The database servers of one stack, where one stands by for the other."""

    first: Server

    @property
    def servers(self) -> list[Server]:
        """Both, in the order of their numbers."""
        places = enumerate(_PLACES, 1)
        return [replace(self.first, name=numbered("postgres", number), place=place) for number, place in places]

    @property
    def primary(self) -> Server:
        """The one that is written to."""
        return self.servers[primary_number(self.first.directory) - 1]

    @property
    def standby(self) -> Server:
        """The other one, which may be fenced."""
        return next(server for server in self.servers if server != self.primary)

    @property
    def has_copy(self) -> bool:
        """Whether the standby is not fenced."""
        return not is_fenced(self.first.directory, self.standby.name)

    @property
    def names(self) -> list[str]:
        """What has to be ready for whoever needs databases."""
        return [self.primary.name, *(once.name for once in self.onces())]

    @property
    def processes(self) -> list[str]:
        """What the processes are called."""
        return [server.name for server in self.servers]

    def url(self, user: str = ADMIN, database: str = "postgres") -> str:
        """The URL of a database for a role, on whichever server is the primary."""
        return self._of_both(self.first.url(user, database))

    def url_without_password(self, user: str, database: str, passwords: Path) -> str:
        """The same for a role whose password is in a file."""
        return self._of_both(self.first.url_without_password(user, database, passwords))

    def _of_both(self, url: str) -> str:
        both = ",".join(server.address for server in self.servers)
        return f"{url.replace(self.first.address, both)}{'&' if '?' in url else '?'}target_session_attrs=primary"

    def programs(self) -> list[Program]:
        """Both servers; the first time, the standby needs the primary to copy it, and later both start together."""
        return [self._program(server) for server in self.servers]

    def _program(self, server: Server) -> Program:
        [other] = [one for one in self.servers if one != server]
        told: dict[str, object] = {
            "primary_conninfo": self._way_to(other, server),
            "primary_slot_name": COPYING,
            # One that is away for long is made anew, instead of filling the disk of the other.
            "max_slot_wal_keep_size": "1GB",
        }
        if server == self.primary:
            return server.program(self._prepare_primary, told)
        needs = () if server.data.exists() else (self.primary.name,)
        return server.program(partial(self._prepare_standby, server), told, needs)

    def onces(self) -> list[Once]:
        """What has to be done before anything is acknowledged; nothing while there is no standby."""
        both = tuple(server.name for server in self.servers)
        return [Once(COPYING, self.attach, both)] if self.has_copy else []

    async def _prepare_primary(self) -> None:
        if (self.primary.data / "standby.signal").exists():
            raise StackError(f"{self.primary.name} was to be made the primary: run  python -m stack failover  again")
        await self.primary.prepare()

    async def _prepare_standby(self, server: Server) -> None:
        if not server.data.exists():
            await self.copy()
        if not (server.data / "standby.signal").exists():
            raise StackError(f"{server.name} was a primary, and another one is: run  python -m stack rejoin")
        await server.prepare_files()

    async def copy(self) -> None:
        """Make the standby anew, as a copy of the primary."""
        standby, primary = self.standby, self.primary
        async with admin(primary) as session:
            await session.execute("SET synchronous_commit = local")
            verb = "ALTER" if await session.fetchval("SELECT to_regrole($1)", REPLICA) else "CREATE"
            password = primary.credentials.replica
            await session.execute(f"{verb} ROLE {REPLICA} LOGIN REPLICATION PASSWORD '{password}'")
            await session.fetch(_FREE_SLOT, COPYING)
        way = self._way_to(primary, standby)
        options = [
            "--dbname",
            way,
            "--create-slot",
            "--slot",
            COPYING,
            "--checkpoint",
            "fast",
            "--wal-method",
            "stream",
        ]
        await standby.fill("pg_basebackup", *options)
        signal = standby.data / "standby.signal"
        signal.touch(0o600)
        own(signal)

    def _way_to(self, source: Server, copy: Server) -> str:
        """How one of them reaches the other, in the words of libpq."""
        passwords = HandedOut(source.directory).database(REPLICA)
        way = f"host=127.0.0.1 port={source.port} user={REPLICA} passfile={passwords} application_name={copy.name}"
        checked = f" sslmode=verify-full sslrootcert={source.authority.file}" if source.authority else ""
        return way + checked

    async def attach(self) -> None:
        """Wait until the standby copies, and have the primary acknowledge nothing from now on that it has not."""
        name = self.standby.name
        await _until(self.primary, _COPIES, name)
        async with admin(self.primary) as session:
            await session.execute(f"ALTER SYSTEM SET synchronous_standby_names = '\"{name}\"'")
            await session.execute("SELECT pg_reload_conf()")
        await _until(self.primary, _WAITS, name)

    async def waits_for_copy(self) -> bool:
        """Whether nothing is acknowledged that the standby has not; raises OSError where the primary is gone."""
        async with admin(self.primary, _ANSWERS_WITHIN) as session:
            return bool(await session.fetchval(_WAITS, self.standby.name))


def primary_number(directory: Directory) -> int:
    """Which of the two servers is the primary."""
    try:
        return int(_file(directory).read_text())
    except FileNotFoundError:
        return 1


def name_primary(directory: Directory, number: int) -> None:
    """Write down which it is."""
    write_private(_file(directory), f"{number}\n")


def _file(directory: Directory) -> Path:
    return directory.path / "primary"


@asynccontextmanager
async def admin(server: Server, seconds: float = 5) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A session of the administrator on one of the servers."""
    session = await asyncpg.connect(server.url(), timeout=seconds)
    try:
        yield session
    finally:
        await session.close(timeout=5)


async def _until(server: Server, query: str, name: str) -> None:
    try:
        async with asyncio.timeout(_COPIES_WITHIN), admin(server) as session:
            while not await session.fetchval(query, name):  # noqa: ASYNC110 - a server has no event to set
                await asyncio.sleep(_PAUSE)
    except TimeoutError as error:
        raise StackError(f"{name} does not copy {server.name}: see {server.directory.log(name)}") from error
