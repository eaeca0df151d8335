"""A second process of each service beside the first: another port, the same database, the same queues."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from chassis.crash import VARIABLE, Point
from stack.directory import ROOT
from stack.run.probe import answers
from tests.chaos.gate import HERE
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually

SAID = {
    "point": "point.spent",
    "reservation": "reservation.confirmed",
    "payment": "payment.paid",
    "seat": "seat.reserved",
}
"""By each service, the event whose commit is the last thing that its second process does"""
READY_WITHIN, DEAD_WITHIN, PUBLISHED_WITHIN = 60.0, 60.0, 30.0


async def second_killed(site: Site) -> int:
    """The second processes die when they have committed and not yet published; nobody starts them again."""
    async with contextlib.AsyncExitStack() as replicas:
        seconds = {service: await replicas.enter_async_context(second(site, service)) for service in SAID}
        return sum(await asyncio.gather(*(_die(site, service, process) for service, process in seconds.items())))


async def _die(site: Site, service: str, second: asyncio.subprocess.Process) -> int:
    """Let a second process die; how many events it has left to the first, which publishes them."""
    (_orders(site) / f"{SAID[service]}@{Point.AFTER_COMMIT}").touch()
    async with asyncio.timeout(DEAD_WITHIN):
        assert await second.wait() == -signal.SIGKILL
    async with site.session(service) as session:
        rows = await session.fetch("SELECT event_id FROM outbox WHERE routing_key = $1", SAID[service])
        left = [row["event_id"] for row in rows]

        async def unpublished() -> int:
            return int(await session.fetchval("SELECT count(*) FROM outbox WHERE event_id = ANY($1::uuid[])", left))

        await eventually(unpublished, lambda count: not count, PUBLISHED_WITHIN)
    return len(left)


@contextlib.asynccontextmanager
async def second(site: Site, service: str, tree: Path = ROOT) -> AsyncIterator[asyncio.subprocess.Process]:
    """A second process of a service, ready; it takes orders to crash of its own, and goes away with the context."""
    port, orders = _free_port(), _orders(site)
    orders.mkdir(exist_ok=True)
    environment = _environment(await site.programs.running(f"{service}_svc"))
    environment |= {f"{service.upper()}_PORT": str(port), VARIABLE: str(orders)}
    with (site.programs.path / "logs" / f"{service}_svc-2.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", f"{service}_svc.main"], cwd=tree, env=environment, stdout=log, stderr=log
        )
    try:
        await eventually(lambda: answers(f"http://{HERE}:{port}/readyz"), within=READY_WITHIN)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _orders(site: Site) -> Path:
    return site.crashes.with_name("crashes-of-seconds")


def _environment(pid: int) -> dict[str, str]:
    """What a process was started with."""
    lines = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])
