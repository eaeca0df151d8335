"""A broker is replaced by another one, of a later version maybe, while everybody goes on; and the way back.

This is the procedure of docs/upgrades.md. A gate before the broker stands for what decides in earnest where a service
finds its broker: a name, a virtual address, or its settings.
"""

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from stack.credentials import Credentials
from stack.directory import Directory
from stack.program import Program, start, stop
from stack.run.probe import answers
from stack.servers.definitions import WINDOW_QUEUE
from stack.servers.rabbitmq import Node, mapper
from stack.services import EACH
from tests.chaos.gate import HERE
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually

UP_WITHIN, DRAINED_WITHIN = 90.0, 60.0
BESIDE_SECONDS = 2.0
GREEN = "GREEN_RABBITMQ_URL", "GREEN_RABBITMQ_MANAGEMENT_URL"
"""Where the other broker is, with an administrator's password, unless it is to be a node of this machine"""
_OWN_QUEUES = ".retry."
"""What rests there comes back to the queue of its step by itself"""
_PLUGINS = "[rabbitmq_management,rabbitmq_shovel_management].\n"


@dataclass(frozen=True)
class Place:
    """A broker: where it listens, and its HTTP API, both with the administrator's password."""

    url: str
    api: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.url).port or 0

    @property
    def for_shovels(self) -> str:
        """The address as shovels read it: with a slash at its end they would look for a virtual host without a name."""
        return self.url.rstrip("/")

    async def ask(self, method: str, path: str, json: Any = None) -> Any:
        """What its HTTP API answers."""
        async with httpx2.AsyncClient(base_url=self.api, timeout=30, trust_env=False) as api:
            answer = (await api.request(method, f"/api/{path}", json=json)).raise_for_status()
            return answer.json() if answer.content else None


async def moved_and_moved_back(site: Site) -> int:
    """Service by service everybody moves to another broker, and shovels move what waits; then all go back."""
    blue = Place(site.environment["RABBITMQ_URL"], site.environment["RABBITMQ_MANAGEMENT_URL"])
    async with _green(site) as green:
        await _describe(blue, green)
        moved = await _move(site, blue, green, shovels=green)
        moved += await _move(site, green, blue, shovels=green)
    return moved


async def _describe(old: Place, new: Place) -> None:
    """Have everything declared at the new broker that is declared at the old one: users, rights, policies, queues."""
    known = await old.ask("GET", "definitions")
    # The nodes of a cluster have a name together; it stays.
    told = {name: value for name, value in known.items() if not name.startswith("global_")}
    await new.ask("POST", "definitions", told)


async def _move(site: Site, old: Place, new: Place, *, shovels: Place) -> int:
    """Move all services, one by one; returns how many when nothing waits any more at the old broker."""
    queues = [name for name in await _queues(old) if _OWN_QUEUES not in name]
    async with _shovelling(shovels, queues, old, new):
        for service in EACH:
            gate = site.brokers[service.name]
            gate.lead(lambda: new.port)
            gate.reset()
            await eventually(partial(site.is_ready, service.name), within=UP_WITHIN)
            await asyncio.sleep(BESIDE_SECONDS)
        # What rests at the old broker comes back within minutes; in earnest one waits for that. Here nothing rests.
        await eventually(partial(_waiting, old, queues), lambda left: not left, within=DRAINED_WITHIN)
    return len(EACH)


async def _queues(place: Place) -> list[str]:
    services = tuple(f"{service.name}." for service in EACH)
    found = await place.ask("GET", "queues/%2F?columns=name,exclusive,type")
    return [one["name"] for one in found if one["type"] == "quorum" and one["name"].startswith(services)]


async def _waiting(place: Place, queues: Iterable[str]) -> dict[str, int]:
    """How many messages these queues hold, by those that hold any."""
    found = await place.ask("GET", "queues/%2F?columns=name,messages")
    counts = {one["name"]: one.get("messages", 0) for one in found}
    return {name: counts[name] for name in queues if counts.get(name)}


@contextlib.asynccontextmanager
async def _shovelling(at: Place, queues: Iterable[str], source: Place, target: Place) -> AsyncIterator[None]:
    """Move whatever comes into these queues into those of the same name at another broker, while the context lasts."""
    paths = {queue: f"parameters/shovel/%2F/{quote(queue, safe='')}" for queue in (*queues, WINDOW_QUEUE)}
    for queue, path in paths.items():
        way = {
            "src-protocol": "amqp091",
            "src-uri": source.for_shovels,
            "src-queue": queue,
            "dest-protocol": "amqp091",
            "dest-uri": target.for_shovels,
            "dest-queue": queue,
            # Taken away there when it is safe here.
            "ack-mode": "on-confirm",
            "src-prefetch-count": 100,
        }
        await at.ask("PUT", path, {"value": way})
    try:
        await eventually(partial(_at_work, at), lambda found: set(found) == set(paths), within=UP_WITHIN)
        yield
    finally:
        for path in paths.values():
            await at.ask("DELETE", path)


async def _at_work(at: Place) -> list[str]:
    """The shovels that do what they should."""
    return [one["name"] for one in await at.ask("GET", "shovels") if one.get("state") == "running"]


@contextlib.asynccontextmanager
async def _green(site: Site) -> AsyncIterator[Place]:
    """The other broker: the one that the environment names, else an empty node of this machine."""
    if all(os.environ.get(name) for name in GREEN):
        yield Place(*(os.environ[name] for name in GREEN))
        return
    directory = Directory.of(site.programs.path / "green")
    directory.create()
    ports = {name: free_port() for name in ("rabbitmq", "management", "distribution", "epmd")}
    node = Node(directory, ports, Credentials.of(Directory.of(site.programs.path)), EACH)
    await node.write_files([])
    (node.folder / "enabled_plugins").write_text(_PLUGINS)
    async with kept(directory, mapper(ports["epmd"])), kept(directory, node.program()):
        yield Place(node.url(), node.management_url)
    shutil.rmtree(directory.path)


@contextlib.asynccontextmanager
async def kept(directory: Directory, program: Program) -> AsyncIterator[None]:
    """Have a program run while the context lasts."""
    process = start(program, directory.log(program.name))
    try:
        await eventually(partial(answers, program.probe), within=UP_WITHIN)
        yield
    finally:
        await stop(process, program.stop_signal, program.patience)


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])
