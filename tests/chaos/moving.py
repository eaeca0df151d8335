"""The database of one service moves to another server, of a later version maybe; the other services go on.

This is the procedure of docs/upgrades.md for another major version of PostgreSQL, there and back. The gate before the
database stands for the address in the settings of the service.
"""

import asyncio
import contextlib
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import asyncpg

from stack.credentials import Credentials
from stack.directory import Directory
from stack.ports import Ports
from stack.run.rest import MAX_SECONDS, rest, wake
from stack.servers.binaries import clean_environment
from stack.servers.postgres import Server
from tests.chaos.crashes import gone
from tests.chaos.greens import free_port, kept
from tests.chaos.node import command
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually

SERVICE = "point"
BESIDE_SECONDS = 5.0
GONE_WITHIN, READY_WITHIN = 20.0, 60.0


async def moved_and_moved_back(site: Site) -> int:
    """It works at the other server for a while, and whatever it has written there comes back with it."""
    old = _server(Directory.of(site.programs.path), Ports.chosen(Directory.of(site.programs.path)))
    async with _another(site) as new:
        await _move(site, old, new)
        await asyncio.sleep(BESIDE_SECONDS)
        await _drop(old)
        await _move(site, new, old)
    return 2


async def _move(site: Site, source: Server, target: Server) -> None:
    """Stop the service, copy its database, and start it with the address of the copy."""
    async with _stopped(site):
        assert await target.program().after(), "the roles and the database are not there"
        with tempfile.TemporaryDirectory() as folder:
            dump = str(Path(folder) / "dump")
            options = ["--format", "custom", "--file", dump]
            await _run(source, "pg_dump", "--dbname", source.url(database=SERVICE), *options)
            await _run(target, "pg_restore", "--exit-on-error", "--dbname", target.url(database=SERVICE), dump)
        site.databases[SERVICE].lead(lambda: target.port)
    await eventually(partial(site.is_ready, SERVICE), within=READY_WITHIN)


@contextlib.asynccontextmanager
async def _stopped(site: Site) -> AsyncIterator[None]:
    """The service does not run while the context lasts."""
    directory, name = Directory.of(site.programs.path), f"{SERVICE}_svc"
    rest(directory, name, MAX_SECONDS)
    pid = await site.programs.send(name, signal.SIGTERM)
    await gone([Path(f"/proc/{pid}")], GONE_WITHIN)
    try:
        yield
    finally:
        wake(directory, name)


@contextlib.asynccontextmanager
async def _another(site: Site) -> AsyncIterator[Server]:
    """Another server of the stack, with nothing in it."""
    directory = Directory.of(site.programs.path / "another")
    directory.create()
    server = _server(directory, {"postgres": free_port()}, Credentials.of(Directory.of(site.programs.path)))
    await server.prepare()
    async with kept(directory, server.program()):
        yield server
    shutil.rmtree(directory.path)


def _server(directory: Directory, ports: dict[str, int], credentials: Credentials | None = None) -> Server:
    known = credentials or Credentials.of(directory)
    # It is asked for the passwords again, where it makes the roles.
    known.write(directory)
    return Server(directory, ports, known, (SERVICE,))


async def _drop(server: Server) -> None:
    """Forget the database that was left behind, for the one that comes."""
    session = await asyncpg.connect(server.url())
    try:
        await session.execute(f'DROP DATABASE "{SERVICE}" WITH (FORCE)')
    finally:
        await session.close()


async def _run(server: Server, program: str, *arguments: str) -> None:
    await command(str(server.bin(program)), *arguments, environment=clean_environment())
