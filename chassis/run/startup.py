"""Startup: waits until the database is there and up to date, before anything else of a service begins."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import asyncpg
import structlog

from chassis.errors import MigrationError, NotMigratedError, describe
from chassis.store import revision
from chassis.store.roles import Roles, grant, may_migrate

log = structlog.get_logger(__name__)

WaitsFor = Callable[[str], None]
Ensure = Callable[[str, Path], Awaitable[None]]
"""Brings a database to the newest revision"""

PAUSE_SECONDS = 0.5
HINTS: dict[type[Exception], str] = {
    asyncpg.InvalidPasswordError: "is the password right?",
    asyncpg.InvalidAuthorizationSpecificationError: "may this role log in?",
    asyncpg.InvalidCatalogNameError: "has the database been created?",
    ConnectionRefusedError: "does PostgreSQL run there?",
    NotMigratedError: "has `python -m chassis migrate` been run?",
}


async def migrate(url: str, scripts: Path, roles: Roles, waits_for: WaitsFor, ensure: Ensure = revision.ensure) -> None:
    """Return once the database is at the newest revision and its roles have their rights.

    While it is out of reach, wait, and say what for.

    Raises MigrationError when the migrations fail although the database is there.
    """
    await _until_done(partial(_migrate, url, scripts, roles, ensure), waits_for)


async def begin(url: str, scripts: Path, roles: Roles, waits_for: WaitsFor) -> None:
    """The same for a service: with a role that may not migrate, wait until somebody has done it."""

    async def attempt() -> None:
        if await may_migrate(url):
            await _migrate(url, scripts, roles, revision.ensure)
        else:
            await revision.require(url, scripts)

    await _until_done(attempt, waits_for)


async def _until_done(attempt: Callable[[], Awaitable[None]], waits_for: WaitsFor) -> None:
    said = ""
    while True:
        try:
            return await attempt()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, NotMigratedError) as error:
            reason = _reason(error)
            waits_for(reason)
            if reason != said:
                log.warning("waits for the database", reason=reason)
                said = reason
        await asyncio.sleep(PAUSE_SECONDS)


async def _migrate(url: str, scripts: Path, roles: Roles, ensure: Ensure) -> None:
    await _ensured(url, scripts, ensure)
    await grant(url, roles)


async def _ensured(url: str, scripts: Path, ensure: Ensure) -> None:
    try:
        await ensure(url, scripts)
    except MigrationError:
        await revision.current(url)  # raises when the database has gone away, which is no failure of a migration
        raise


def _reason(error: Exception) -> str:
    hint = next((hint for kind, hint in HINTS.items() if isinstance(error, kind)), None)
    return f"{describe(error)}; {hint}" if hint else describe(error)
