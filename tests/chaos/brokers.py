"""Faults of the broker as a whole."""

import asyncio
import contextlib

from tests.chaos.site import Site

ALARM_SECONDS = 8.0
BACK_WITHIN = 60.0


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


async def memory_alarm(site: Site) -> int:
    """It takes nothing more in, because its memory is full."""
    monitor = "vm_memory_monitor"
    return await _alarm(
        site, f"{monitor}:get_vm_memory_high_watermark", f"{monitor}:set_vm_memory_high_watermark", "1.0e-4"
    )


async def disk_alarm(site: Site) -> int:
    """It takes nothing more in, because its disk is full."""
    monitor = "rabbit_disk_monitor"
    return await _alarm(site, f"{monitor}:get_disk_free_limit", f"{monitor}:set_disk_free_limit", '"900000GB"')


async def _alarm(site: Site, get: str, put: str, limit: str) -> int:
    """Set a limit that is exceeded, for some seconds; the number of alarms that this was good for."""
    usual = await site.node.ctl("eval", f"Usual = {get}(), {put}({limit}), Usual.")
    alarms = "0"
    try:
        await asyncio.sleep(ALARM_SECONDS)
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
