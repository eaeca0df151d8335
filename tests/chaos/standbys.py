"""Faults of database servers of which one stands by for the other."""

import asyncio
import signal

from stack.directory import Directory
from stack.run import family
from stack.run.failover import Failover
from stack.servers.standby import primary_number
from stack.size import numbered
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually

BESIDE_SECONDS = 3.0
COPIES_WITHIN = 60.0


async def failed_over(site: Site) -> int:
    """The primary is ended for good, in the middle of everything, and its standby takes its place."""
    await _command(site).fail_over()
    return 1


async def failed_over_frozen(site: Site) -> int:
    """The same where the primary stands still: it would wake up, and believe that it is one."""
    family.freeze(await site.programs.running(_primary(site)))
    await asyncio.sleep(BESIDE_SECONDS)
    await _command(site).fail_over()
    return 1


async def rejoined(site: Site) -> int:
    """The server that was fenced is made anew as the standby of the other, which has work to do meanwhile."""
    await _command(site).rejoin()
    return 1


async def standby_killed(site: Site) -> int:
    """The standby dies; until it is there again nothing is acknowledged, and after that everything is."""
    await site.programs.end(_standby(site), signal.SIGKILL)
    await eventually(_command(site).waits_for_copy, within=COPIES_WITHIN)
    return 1


async def old_primary_stays_away(site: Site) -> None:
    """Whoever asks for the primary gets one server, and the other one does not run."""
    pid = site.programs.pid(_standby(site))
    assert pid is None, "the old primary runs"
    async with site.session("seat") as session:
        assert not await session.fetchval("SELECT pg_is_in_recovery()")


def _command(site: Site) -> Failover:
    return Failover(Directory.of(site.programs.path))


def _primary(site: Site) -> str:
    return numbered("postgres", primary_number(Directory.of(site.programs.path)))


def _standby(site: Site) -> str:
    return numbered("postgres", 3 - primary_number(Directory.of(site.programs.path)))
