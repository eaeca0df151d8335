"""Faults of the broker and of the database server as a whole."""

import asyncio
import contextlib
import signal

import asyncpg

from tests.chaos.site import Site
from tests.end_to_end.databases import SERVICES

ALARM_SECONDS = 8.0
TERMINATING_SECONDS = 6.0
_TERMINATE = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE usename = current_user AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND state <> 'idle'
"""


async def broker_restarted(site: Site) -> int:
    """The broker is asked to end, and comes again."""
    await site.programs.end("rabbitmq", signal.SIGTERM)
    await _broker_answers(site)
    return 1


async def broker_killed(site: Site) -> int:
    """The broker dies, and comes again."""
    await site.programs.end("rabbitmq", signal.SIGKILL)
    await _broker_answers(site)
    return 1


async def memory_alarm(site: Site) -> int:
    """The broker takes nothing more in, because its memory is full."""
    await site.rabbitmqctl("set_vm_memory_high_watermark", "0.0001")
    try:
        await asyncio.sleep(ALARM_SECONDS)
    finally:
        await site.rabbitmqctl("set_vm_memory_high_watermark", "0.4")
    return 1


async def disk_alarm(site: Site) -> int:
    """The broker takes nothing more in, because its disk is full."""
    await site.rabbitmqctl("set_disk_free_limit", "900000GB")
    try:
        await asyncio.sleep(ALARM_SECONDS)
    finally:
        await site.rabbitmqctl("set_disk_free_limit", "50MB")
    return 1


async def database_restarted(site: Site) -> int:
    """The database server ends all sessions at once, and comes again."""
    await site.programs.end("postgres", signal.SIGINT)
    await _database_answers(site)
    return 1


async def database_killed(site: Site) -> int:
    """The database server dies, and recovers from its log when it comes again."""
    await site.programs.end("postgres", signal.SIGKILL)
    await _database_answers(site)
    return 1


async def transactions_terminated(site: Site) -> int:
    """Sessions are ended by an operator in the middle of their transactions."""
    async with asyncio.timeout(TERMINATING_SECONDS * 3):
        return sum(await asyncio.gather(*(_terminate(site, service) for service in SERVICES)))


async def _terminate(site: Site, service: str) -> int:
    loop, ended = asyncio.get_running_loop(), 0
    deadline = loop.time() + TERMINATING_SECONDS
    async with site.session(service) as session:
        while loop.time() < deadline:
            ended += await session.fetchval(_TERMINATE)
            await asyncio.sleep(0.02)
    return ended


async def _broker_answers(site: Site) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(Exception):
                async with site.broker():
                    return
            await asyncio.sleep(0.2)


async def _database_answers(site: Site) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                async with site.session("seat"):
                    return
            await asyncio.sleep(0.1)
