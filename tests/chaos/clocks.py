"""Clocks that are wrong: one of two processes of each service lives in another time."""

import asyncio
import contextlib
from pathlib import Path

from stack.progress import Progress
from stack.servers.packages import install
from stack.services import SERVICES
from tests.chaos.drill import Fault
from tests.chaos.replicas import second
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually

ASTRAY_SECONDS = 300
LASTS = 20.0
TOLD_WITHIN = 60.0


def astray(seconds: int) -> Fault:
    """The second processes are ahead by so many seconds, or behind if that is negative; and somebody says so."""

    async def fault(site: Site) -> int:
        other = {"LD_PRELOAD": str(_library(site)), "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        async with contextlib.AsyncExitStack() as replicas:
            for service in SERVICES:
                await replicas.enter_async_context(second(site, service, more=other))
            await asyncio.sleep(LASTS)
            if seconds > 0:
                await eventually(lambda: _is_told(site), within=TOLD_WITHIN)
        return len(SERVICES)

    return fault


def _library(site: Site) -> Path:
    """What tells a process another time; installed when it is missing."""
    found = list(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        install("faketime", site.programs.path / "logs" / "apt.log", Progress())
        found = list(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return found[0]


async def _is_told(site: Site) -> bool:
    """Whether any of the first processes finds another clock ahead of its own."""
    answers = [(await site.system.watch(service, "/readyz")).json() for service in SERVICES]
    return any("clock" in alarm for answer in answers for alarm in answer["alarms"])
