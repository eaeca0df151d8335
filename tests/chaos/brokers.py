"""Faults of the broker as a whole."""

import asyncio
import contextlib
from collections import Counter

from stack.services import SERVICES
from tests.chaos.consumers import locked
from tests.chaos.drill import Fault
from tests.chaos.environment import nothing_blamed
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually

ALARM_SECONDS = 8.0
BACK_WITHIN = 60.0
CALM_SECONDS = 15.0
WAITING_SECONDS = 2.0


async def restarted(site: Site) -> int:
    """It is asked to end, and comes again."""
    await site.node.restart()
    await _answers(site)
    return 1


async def killed(site: Site) -> int:
    """It dies, and comes again."""
    await site.node.kill()
    await _answers(site)
    return 1


async def emptied(site: Site) -> int:
    """It comes again with its users and nothing else: no exchange, no queue, and nothing that a slow step had left."""
    async with locked(site, "point"):
        await asyncio.sleep(WAITING_SECONDS)
        for command in ("stop_app", "force_reset", "start_app"):
            await site.node.ctl(command)
    await _answers(site)
    return 1


async def memory_alarm(site: Site, seconds: float = ALARM_SECONDS) -> int:
    """It takes nothing more in, because its memory is full."""
    monitor = "vm_memory_monitor"
    return await _alarm(
        site, f"{monitor}:get_vm_memory_high_watermark", f"{monitor}:set_vm_memory_high_watermark", "1.0e-4", seconds
    )


async def disk_alarm(site: Site) -> int:
    """It takes nothing more in, because its disk is full."""
    monitor = "rabbit_disk_monitor"
    return await _alarm(
        site, f"{monitor}:get_disk_free_limit", f"{monitor}:set_disk_free_limit", '"900000GB"', ALARM_SECONDS
    )


def memory_alarm_that_lasts(seconds: float) -> Fault:
    """The same for so long that all patience would have run out; nothing comes of it but the wait."""

    async def fault(site: Site) -> int:
        before = await _sessions(site)
        async with nothing_blamed(site), site.broker() as broker, broker.observe() as said:
            alarms = await memory_alarm(site, seconds)
            await asyncio.sleep(CALM_SECONDS)
            twice = [key for key, count in Counter(one.headers["ce-id"] for one in said.messages).items() if count > 1]
        assert not twice, f"said twice: {len(twice)} of {len(said.messages)}"
        assert await _sessions(site) == before, "somebody connected anew"
        return alarms

    return fault


async def _sessions(site: Site) -> list[str]:
    """The connections of the services: two of each, once the management interface knows of all."""

    async def look() -> list[str]:
        found = await broker.ask("connections?columns=name,user")
        return sorted(one["name"] for one in found if one.get("user") in SERVICES)

    async with site.broker() as broker:
        return await eventually(look, lambda found: len(found) == 2 * len(SERVICES))


async def _alarm(site: Site, get: str, put: str, limit: str, seconds: float) -> int:
    """Set a limit that is exceeded, for some seconds; the number of alarms that this was good for."""
    usual = await site.node.ctl("eval", f"Usual = {get}(), {put}({limit}), Usual.")
    alarms = "0"
    try:
        await asyncio.sleep(seconds)
    finally:
        alarms = await site.node.ctl("eval", f"Alarms = rabbit_alarm:get_alarms(), {put}({usual}), length(Alarms).")
    return int(alarms)


async def _answers(site: Site) -> None:
    async with asyncio.timeout(BACK_WITHIN):
        while True:
            with contextlib.suppress(Exception):
                async with site.broker():
                    return
            await asyncio.sleep(0.2)
