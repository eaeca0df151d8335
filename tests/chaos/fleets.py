"""Faults of single processes of services that have several, behind one address."""

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial

import httpx2

from stack.run.probe import answers
from stack.services import SERVICES
from stack.size import numbered
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually

REPLICAS = 3
ASKS_EVERY = 0.05
READY_WITHIN = 60.0
PATHS = {"point": "/points", "seat": "/concerts"}
"""What is asked of services that have something to say to anybody; the others are asked whether they live"""


async def killed(site: Site) -> int:
    """One process of each service dies, and another one comes."""
    names = [numbered(f"{service}_svc", number) for number, service in enumerate(SERVICES[:REPLICAS], 1)]
    names += [numbered(f"{service}_svc", 1) for service in SERVICES[REPLICAS:]]
    for name in names:
        await site.programs.end(name, signal.SIGKILL)
    await asyncio.gather(*(_ready(site, name) for name in names))
    return len(names)


async def restarted_one_by_one(site: Site) -> int:
    """Every process is asked to end, the next one when the one before it is ready again; all requests are answered."""
    async with _asked(site) as seen:
        for service in SERVICES:
            for number in range(1, REPLICAS + 1):
                name = numbered(f"{service}_svc", number)
                await site.programs.end(name, signal.SIGTERM)
                await _ready(site, name)
    assert set(seen) == {"200"}, f"asked all the time, a service answered: {dict(seen)}"
    return REPLICAS * len(SERVICES)


@contextlib.asynccontextmanager
async def _asked(site: Site) -> AsyncIterator[Counter[str]]:
    """Ask every service all the time while the context lasts, over connections that are kept; what came of it."""
    seen: Counter[str] = Counter()
    token = site.system.token("somebody")

    async def ask(service: str) -> None:
        while True:
            try:
                answer = await site.system.ask("GET", service, PATHS.get(service, "/livez"), token)
                seen[str(answer.status_code)] += 1
            except httpx2.HTTPError as error:
                seen[repr(error)] += 1
            await asyncio.sleep(ASKS_EVERY)

    tasks = [asyncio.create_task(ask(service)) for service in SERVICES]
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ready(site: Site, name: str) -> None:
    url = f"http://127.0.0.1:{site.programs.port(name)}/readyz"
    await eventually(partial(answers, url), within=READY_WITHIN)
