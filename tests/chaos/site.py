"""A stack of its own, with a gate between each service and its broker, and each service and its database."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import asyncpg

import stack
from chassis import crash
from tests.chaos.gate import HERE, Gate
from tests.chaos.programs import Programs
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.databases import SERVICES
from tests.end_to_end.platform import Platform
from tests.end_to_end.system import System

_RABBITMQCTL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
_NODE = "concert@localhost"
_CTL_WITHIN = 60.0


@dataclass(frozen=True)
class Site:
    """All that a script of chaos gets hold of."""

    path: Path
    system: System
    catalogue: Catalogue
    platform: Platform
    programs: Programs
    brokers: Mapping[str, Gate]
    databases: Mapping[str, Gate]
    accepted: set[UUID] = field(default_factory=set)
    """Every checkout of which a client was told that it exists"""

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, path: Path) -> AsyncIterator[Self]:
        """The stack in `path`, up while the context lasts."""
        brokers = {service: Gate(lambda: _port(path, "rabbitmq"), to_broker=True) for service in SERVICES}
        databases = {service: Gate(lambda: _port(path, "postgres"), to_broker=False) for service in SERVICES}
        async with contextlib.AsyncExitStack() as gates:
            for gate in (*brokers.values(), *databases.values()):
                await gates.enter_async_context(gate.open())
            with _variables(path, brokers, databases):
                environment = await asyncio.to_thread(stack.up, path)
            try:
                async with System.of(environment) as system:
                    yield cls(path, system, Catalogue(system), Platform(system), Programs(path), brokers, databases)
            finally:
                await asyncio.to_thread(stack.down, path)

    @property
    def environment(self) -> Mapping[str, str]:
        """The addresses of the stack; they lead past the gates."""
        return self.system.environment

    @property
    def gates(self) -> list[Gate]:
        """All gates."""
        return [*self.brokers.values(), *self.databases.values()]

    @property
    def crashes(self) -> Path:
        """The folder of the orders to crash, see `chassis.crash`."""
        return _crashes(self.path)

    @contextlib.asynccontextmanager
    async def broker(self) -> AsyncIterator[Broker]:
        """The broker, seen by its administrator past the gates."""
        async with Broker.of(self.environment) as broker:
            yield broker

    @contextlib.asynccontextmanager
    async def session(self, service: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A session of its own in a service's database, past the gates."""
        connection = await asyncpg.connect(self.environment[f"{service.upper()}_DATABASE_URL"])
        try:
            yield connection
        finally:
            connection.terminate()

    async def rabbitmqctl(self, *arguments: str) -> str:
        """What the broker's command line answers."""
        process = await asyncio.create_subprocess_exec(
            *[_RABBITMQCTL, *arguments],
            env=os.environ
            | {
                "HOME": str(self.path / "rabbitmq"),
                "ERL_EPMD_PORT": str(_port(self.path, "epmd")),
                "RABBITMQ_NODENAME": _NODE,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(_CTL_WITHIN):
            output = (await process.communicate())[0].decode()
        assert process.returncode == 0, output
        return output


@contextlib.contextmanager
def _variables(path: Path, brokers: Mapping[str, Gate], databases: Mapping[str, Gate]) -> Iterator[None]:
    """The environment in which the stack is started: what it finds there its processes keep."""
    _crashes(path).mkdir(parents=True, exist_ok=True)
    wanted = {crash.VARIABLE: str(_crashes(path))}
    for service in SERVICES:
        wanted[f"{service.upper()}_RABBITMQ_VIA"] = f"{HERE}:{brokers[service].port}"
        wanted[f"{service.upper()}_DATABASE_VIA"] = f"{HERE}:{databases[service].port}"
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            del os.environ[name]


def _crashes(path: Path) -> Path:
    return path / "crashes"


def _port(path: Path, name: str) -> int:
    return int(json.loads((path / "ports.json").read_text())[name])
