"""Disks of their own for the servers of a site, small enough to be filled, and what comes of it when they are full."""

import asyncio
import contextlib
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from stack.services import SERVICES
from tests.chaos.environment import nothing_blamed
from tests.chaos.site import Site
from tests.chaos.trouble import TROUBLE
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan

MEGABYTES = 700
FULL_SECONDS = 25.0
RED_WITHIN = 20.0
UNAVAILABLE = 503
SERVER_ERROR = 500
_FOLDERS = {"rabbitmq": "rabbitmq/data", "postgres": "postgres"}
_CHUNK = bytes(1 << 20)
_NO_ALARM = 'rabbit_disk_monitor:set_disk_free_limit("1KB").'


@contextlib.contextmanager
def small_disks(path: Path) -> Iterator[None]:
    """Give the servers of the stack in `path` a small disk each, while the context lasts; skips where one may not."""
    with contextlib.ExitStack() as mounted:
        for folder in _FOLDERS.values():
            (path / folder).mkdir(parents=True)
            mounting = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "small-disk", str(path / folder)]
            mounted_ = subprocess.run(mounting, check=False, capture_output=True, text=True)  # noqa: S603 - our own words
            if mounted_.returncode:
                pytest.skip(f"no small disk can be mounted here to fill it: {mounted_.stderr.strip()}")
            mounted.callback(subprocess.run, ["umount", "--lazy", str(path / folder)], check=True)
        yield


async def of_the_database(site: Site) -> int:
    """Nothing more can be written to the databases: clients are told to come again, and no message is blamed."""
    async with nothing_blamed(site):
        with _full(site, "postgres"):
            answers = await _for(FULL_SECONDS, lambda: _charge(site))
        assert UNAVAILABLE in answers, f"nobody was turned away: {set(answers)}"
        assert SERVER_ERROR not in answers, "an error of the environment was taken for a defect"
    return 1


async def of_the_broker(site: Site) -> int:
    """The broker notices too late that its disk is full, and refuses everything until somebody starts it anew."""
    pid = await site.programs.running("rabbitmq")
    await site.node.ctl("eval", _NO_ALARM)
    with _full(site, "rabbitmq"):
        await eventually(lambda: _nobody_is_ready(site), within=RED_WITHIN)
        await asyncio.sleep(FULL_SECONDS)
    await site.programs.replaced("rabbitmq", pid)
    return 1


@contextlib.contextmanager
def _full(site: Site, server: str) -> Iterator[None]:
    """While the context lasts, nothing more can be written to the disk of a server."""
    ballast = site.programs.path / _FOLDERS[server] / "ballast"
    try:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(_CHUNK):
                pass
        yield
    finally:
        ballast.unlink()


async def _for(seconds: float, ask: Callable[[], Awaitable[int | None]]) -> list[int | None]:
    """What the same question was answered again and again, for so long."""
    answers, ends = list[int | None](), asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < ends:
        answers.append(await ask())
        await asyncio.sleep(0.1)
    return answers


async def _charge(site: Site) -> int | None:
    """How somebody who charges a new wallet is answered; None for not at all."""
    with contextlib.suppress(*TROUBLE):
        fan = Fan(site.system)
        return (await fan.post("point", "/points/charge", {"amount": 1})).status_code
    return None


async def _nobody_is_ready(site: Site) -> bool:
    return not any([await site.is_ready(service) for service in SERVICES])
