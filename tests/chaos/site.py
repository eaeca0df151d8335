"""A stack of its own, with a gate between each service and its broker, and each service and its database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import asyncpg
import httpx2

import stack
from chassis import crash
from stack.run.supervisor import RESTART_AT_ONCE
from stack.services import SERVICES
from tests.chaos.gate import HERE, Gate
from tests.chaos.node import Node, OwnNode
from tests.chaos.programs import Programs, variables
from tests.end_to_end.broker import Broker
from tests.end_to_end.catalogue import Catalogue
from tests.end_to_end.databases import owner_url
from tests.end_to_end.platform import Platform
from tests.end_to_end.system import System

Gates = Mapping[str, Gate]
NO_GATES: Gates = {}
READY_WITHIN = 5.0


@dataclass(frozen=True)
class Site:
    """All that a script of chaos gets hold of."""

    system: System
    catalogue: Catalogue
    platform: Platform
    programs: Programs
    node: Node
    brokers: Gates
    databases: Gates
    accepted: set[UUID] = field(default_factory=set)
    """Every checkout of which a client was told that it exists"""
    refunds: set[UUID] = field(default_factory=set)
    """The same of refunds"""

    @classmethod
    def around(
        cls, system: System, programs: Programs, node: Node, brokers: Gates = NO_GATES, databases: Gates = NO_GATES
    ) -> Self:
        """A running system, and what can be done to it."""
        return cls(system, Catalogue(system), Platform(system), programs, node, brokers, databases)

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, path: Path) -> AsyncIterator[Self]:
        """The stack in `path`, up while the context lasts."""
        programs = Programs(path)
        brokers = {service: Gate(lambda: programs.port("rabbitmq"), to_broker=True) for service in SERVICES}
        databases = {service: Gate(lambda: programs.port("postgres"), to_broker=False) for service in SERVICES}
        async with contextlib.AsyncExitStack() as gates:
            for gate in (*brokers.values(), *databases.values()):
                await gates.enter_async_context(gate.open())
            with variables(_wanted(path, brokers, databases)):
                environment = await asyncio.to_thread(stack.up, path)
            try:
                async with System.of(environment) as system:
                    yield cls.around(system, programs, OwnNode(programs), brokers=brokers, databases=databases)
            finally:
                await asyncio.to_thread(stack.down, path)

    @property
    def environment(self) -> Mapping[str, str]:
        """The addresses of the stack; they lead past the gates."""
        return self.system.environment

    @property
    def crashes(self) -> Path:
        """The folder of the orders to crash, see `chassis.crash`."""
        return _crashes(self.programs.path)

    async def is_ready(self, service: str) -> bool:
        """Whether a service says that it is ready."""
        with contextlib.suppress(httpx2.HTTPError):
            return (await self.system.ask("GET", service, "/readyz", timeout=READY_WITHIN)).is_success
        return False

    @contextlib.asynccontextmanager
    async def broker(self) -> AsyncIterator[Broker]:
        """The broker, seen by its administrator past the gates."""
        async with Broker.of(self.environment) as broker:
            yield broker

    @contextlib.asynccontextmanager
    async def session(self, service: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A session of its own in a service's database, past the gates."""
        connection = await asyncpg.connect(owner_url(self.environment, service))
        try:
            yield connection
        finally:
            connection.terminate()


def _wanted(path: Path, brokers: Gates, databases: Gates) -> dict[str, str]:
    """The variables with which the stack is started: it is led through the gates, and can be told to crash."""
    _crashes(path).mkdir(parents=True, exist_ok=True)
    wanted = {crash.VARIABLE: str(_crashes(path)), RESTART_AT_ONCE: "yes"}
    for service in SERVICES:
        wanted[f"{service.upper()}_RABBITMQ_VIA"] = f"{HERE}:{brokers[service].port}"
        wanted[f"{service.upper()}_DATABASE_VIA"] = f"{HERE}:{databases[service].port}"
    return wanted


def _crashes(path: Path) -> Path:
    return path / "crashes"
