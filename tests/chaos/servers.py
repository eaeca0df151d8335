"""Faults of the database server as a whole."""

import asyncio
import contextlib
import signal

import asyncpg

from stack.services import SERVICES
from tests.chaos.site import Site

BACK_WITHIN = 60.0
TERMINATING_SECONDS = 6.0
_TERMINATE = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE usename = current_user AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND state <> 'idle'
"""


async def restarted(site: Site) -> int:
    """It ends all sessions at once, and comes again."""
    await site.programs.end("postgres", signal.SIGINT)
    await _answers(site)
    return 1


async def killed(site: Site) -> int:
    """It dies, and recovers from its log when it comes again."""
    await site.programs.end("postgres", signal.SIGKILL)
    await _answers(site)
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


async def _answers(site: Site) -> None:
    async with asyncio.timeout(BACK_WITHIN):
        while True:
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                async with site.session("seat"):
                    return
            await asyncio.sleep(0.1)
