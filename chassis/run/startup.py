"""Startup: waits until the database is there and up to date, before anything else of a service begins."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import structlog

from chassis.errors import MigrationError, describe
from chassis.store import revision
from chassis.store.roles import Roles, grant

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.5
HINTS: dict[type[Exception], str] = {
    asyncpg.InvalidPasswordError: "is the password right?",
    asyncpg.InvalidAuthorizationSpecificationError: "may this role log in?",
    asyncpg.InvalidCatalogNameError: "has the database been created?",
    ConnectionRefusedError: "does PostgreSQL run there?",
}


async def prepare(url: str, scripts: Path, roles: Roles | None, waits_for: Callable[[str], None]) -> None:
    """Return once the database is at the newest revision and its roles have their rights.

    While it is out of reach, wait, and say what for.

    Raises MigrationError when the migrations fail although the database is there.
    """
    said = ""
    while True:
        try:
            await _ensure(url, scripts)
            return await grant(url, roles) if roles else None
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            reason = _reason(error)
            waits_for(reason)
            if reason != said:
                log.warning("waits for the database", reason=reason)
                said = reason
        await asyncio.sleep(PAUSE_SECONDS)


async def _ensure(url: str, scripts: Path) -> None:
    try:
        await revision.ensure(url, scripts)
    except MigrationError:
        await revision.current(url)  # raises when the database has gone away, which is no failure of a migration
        raise


def _reason(error: Exception) -> str:
    hint = next((hint for kind, hint in HINTS.items() if isinstance(error, kind)), None)
    return f"{describe(error)}; {hint}" if hint else describe(error)
