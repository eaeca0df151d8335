"""Faults of the environment that look like faults of messages, and must not be taken for them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

from stack.services import SERVICES
from tests.chaos.drill import Fault
from tests.chaos.site import Site
from tests.chaos.trouble import TROUBLE
from tests.end_to_end.catalogue import CHEAP
from tests.end_to_end.eventually import eventually
from tests.end_to_end.fan import Fan, Hold
from tests.end_to_end.observing import is_made_up

SHORT, LONG = 8.0, 60.0
RED_WITHIN = 20.0
PASSES_WITHIN = 15.0
LONGEST_REST, RESTS_WITHIN = "point.retry.2m", 150.0
"""Where the message rests at last that waits for a lock, and a little longer than it rests there"""

_RENEW = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE usename = current_user AND pid <> pg_backend_pid()
"""


@contextlib.asynccontextmanager
async def nothing_blamed(site: Site) -> AsyncIterator[None]:
    """While the context lasts, no message goes to another attempt and none is parked; raises AssertionError."""
    async with site.broker() as broker, broker.observe(f"{service}.retry" for service in SERVICES) as failed:
        yield
        blamed = [(one.routing_key, one.headers["x-last-error"]) for one in failed.messages if not is_made_up(one)]
        assert not blamed, f"messages were blamed: {blamed[:5]}"


def read_only(seconds: float = LONG) -> Fault:
    """All databases refuse to write for a while, as after a failover to a standby."""

    async def fault(site: Site) -> int:
        async with nothing_blamed(site):
            await asyncio.gather(*(_switch(site, service, "on") for service in SERVICES))
            try:
                await asyncio.sleep(seconds)
            finally:
                await asyncio.gather(*(_switch(site, service, "off") for service in SERVICES))
            await _all_ready(site)
        return len(SERVICES)

    return fault


def table_locked(seconds: float = 2 * SHORT) -> Fault:
    """A stranger keeps the inboxes of all services locked: nothing can be committed, and everybody says so."""

    async def fault(site: Site) -> int:
        async with nothing_blamed(site), contextlib.AsyncExitStack() as strangers:
            for service in SERVICES:
                stranger = await strangers.enter_async_context(site.session(service))
                await strangers.enter_async_context(stranger.transaction())
                await stranger.execute("LOCK TABLE inbox IN EXCLUSIVE MODE")
            await eventually(lambda: _is_red(site, "seat"), within=RED_WITHIN)
            await asyncio.sleep(seconds)
        await _all_ready(site)
        return len(SERVICES)

    return fault


def row_locked(seconds: float = LONG) -> Fault:
    """A stranger keeps one wallet locked: its owner waits, and everybody else is served."""

    async def fault(site: Site) -> int:
        victim, payment = await _with_a_hold(site)
        async with site.session("point") as stranger, stranger.transaction():
            # Else the server would end whoever does nothing in a transaction for a minute.
            await stranger.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            await stranger.execute("SELECT * FROM wallet WHERE user_id = $1 FOR UPDATE", victim.user_id)
            checkout_id = await victim.begin(payment)
            site.accepted.add(checkout_id)
            ends = asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < ends:
                await _one_passes(site)
        async with site.broker() as broker:
            await eventually(partial(broker.depth, LONGEST_REST), lambda left: not left, within=RESTS_WITHIN)
        return 1

    return fault


async def _one_passes(site: Site) -> None:
    """A fan who has nothing to do with the lock completes a checkout; raises TimeoutError."""
    fan, payment = await _with_a_hold(site)
    async with asyncio.timeout(PASSES_WITHIN):
        checkout_id = await fan.begin(payment)
        site.accepted.add(checkout_id)
        assert (await fan.end_of(checkout_id))["status"] == "completed"


async def _with_a_hold(site: Site) -> tuple[Fan, Hold]:
    fan = Fan(site.system)
    hold = await fan.hold((await site.catalogue.new_date(1, CHEAP))[0])
    await fan.charge(hold.total)
    return fan, hold


async def _switch(site: Site, service: str, value: str) -> None:
    """Have all sessions of a database refuse to write from now on, or let them; the sessions there are end."""
    async with site.session(service) as owner:
        await owner.execute("SET default_transaction_read_only = off")
        database = await owner.fetchval("SELECT quote_ident(current_database())")
        await owner.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = {value}")
        if value == "on":
            await owner.fetchval(_RENEW)


async def _is_red(site: Site, service: str) -> bool:
    return not await site.is_ready(service)


async def _all_ready(site: Site) -> None:
    """Wait until every service is well again."""

    async def look() -> bool:
        return all([await site.is_ready(service) for service in SERVICES])

    with contextlib.suppress(*TROUBLE):
        await eventually(look, within=RED_WITHIN)
