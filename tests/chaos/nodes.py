"""The nodes of a broker that has several, the wires between them, and what can be done to each."""

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

import stack
from stack.directory import Directory
from stack.run.rest import rest, wake
from stack.run.supervisor import RESTART_AT_ONCE
from stack.servers.rabbitmq import node_name
from tests.chaos.crashes import gone
from tests.chaos.node import OwnNode, command
from tests.chaos.programs import Programs, variables
from tests.chaos.site import Site
from tests.chaos.trouble import TROUBLE
from tests.chaos.wires import Wires
from tests.end_to_end.eventually import eventually
from tests.end_to_end.system import System

NUMBERS = (1, 2, 3)
WHOLE_WITHIN, GONE_WITHIN = 120.0, 10.0
_BIN = Path("/usr/lib/rabbitmq/bin")


@dataclass(frozen=True)
class Nodes:
    """The nodes of one stack, by their numbers."""

    programs: Programs
    wires: Wires

    async def end(self, number: int, how: signal.Signals) -> None:
        """End a node, and wait for the next process of it."""
        await self.programs.end(_process(number), how)

    async def freeze(self, *numbers: int, seconds: float) -> None:
        """Let nodes stand still for so long."""
        await asyncio.gather(*(self.programs.freeze(_process(number), seconds) for number in numbers))

    async def empty(self, number: int, seconds: float) -> None:
        """End a node, forget all that it had, and keep it from coming back for so long."""
        directory, name = Directory.of(self.programs.path), _process(number)
        rest(directory, name, seconds)
        pid = await self.programs.send(name, signal.SIGKILL)
        await gone([Path(f"/proc/{pid}")], GONE_WITHIN)
        shutil.rmtree(self.programs.path / name / "data")

    def wake(self, number: int) -> None:
        """Let a node come back at once."""
        wake(Directory.of(self.programs.path), _process(number))

    async def ctl(self, number: int, tool: str, *arguments: str) -> str:
        """What a command line tool answers that asks this node; raises AssertionError when it fails."""
        folder = self.programs.path / ("rabbitmq" if number == 1 else _process(number))
        environment = {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self.programs.port("epmd")),
            "RABBITMQ_NODENAME": node_name(number),
        }
        return await command(str(_BIN / tool), *arguments, environment=environment)

    async def leader(self, site: Site, queue: str) -> int:
        """Which node leads a queue, 0 while its members are choosing."""
        found = await _ask(site, f"queues/%2F/{queue}")
        return _number(found["leader"]) if found.get("leader") else 0

    async def of_connections(self, site: Site, user: str) -> int:
        """A node that a service is connected to."""

        async def look() -> list[int]:
            found = await _ask(site, "connections?columns=node,user")
            return [_number(one["node"]) for one in found if one.get("user") == user]

        return (await eventually(look))[0]

    async def are_whole(self, site: Site) -> bool:
        """Whether all nodes run, and every quorum queue has a member on each of them that is there."""
        with contextlib.suppress(*TROUBLE):
            nodes = await _ask(site, "nodes?columns=name,running")
            queues = await _ask(site, "queues?columns=name,type,online")
            lengths = [len(queue.get("online", ())) for queue in queues if queue.get("type") == "quorum"]
            return sum(bool(node.get("running")) for node in nodes) == len(NUMBERS) and set(lengths) == {len(NUMBERS)}
        return False

    async def until_whole(self, site: Site) -> None:
        """Wait for that."""
        await eventually(lambda: self.are_whole(site), within=WHOLE_WITHIN)


@contextlib.asynccontextmanager
async def cluster(path: Path) -> AsyncIterator[tuple[Site, Nodes]]:
    """A stack whose broker has three nodes with wires between them, up while the context lasts."""
    programs = Programs(path)
    wires = Wires(programs, NUMBERS)
    async with wires.open():
        wanted = wires.variables | {"STACK_CLUSTER": str(len(NUMBERS)), RESTART_AT_ONCE: "yes"}
        async with running(path, wanted) as site:
            nodes = Nodes(programs, wires)
            await nodes.until_whole(site)
            yield site, nodes


@contextlib.asynccontextmanager
async def running(path: Path, wanted: dict[str, str]) -> AsyncIterator[Site]:
    """A stack that is started with these variables and without gates, up while the context lasts."""
    with variables(wanted):
        environment = await asyncio.to_thread(stack.up, path)
    try:
        async with System.of(environment) as system:
            programs = Programs(path)
            yield Site.around(system, programs, OwnNode(programs))
    finally:
        await asyncio.to_thread(stack.down, path)


async def _ask(site: Site, path: str) -> Any:
    url = site.environment["RABBITMQ_MANAGEMENT_URL"]
    async with httpx2.AsyncClient(base_url=url, timeout=10, trust_env=False) as management:
        return (await management.get(f"/api/{path}")).raise_for_status().json()


def _process(number: int) -> str:
    return f"rabbitmq-{number}"


def _number(node: str) -> int:
    return next(number for number in NUMBERS if node_name(number) == node)
