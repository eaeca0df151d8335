"""Revision: whether a database is as the code expects it, and bringing it there.

Alembic does the work, in a process of its own: it is needed once in the life of a revision, and would cost every
service a tenth of its memory, and its start a quarter of the time.
"""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg

from chassis.errors import MigrationError, NotMigratedError
from chassis.store.servers import connect

CONNECT_TIMEOUT = 10
LOCK = 0x5A6A
"""Held by who migrates or grants; any number will do, as long as all replicas take the same"""


def head(scripts: Path) -> str:
    """The revision that the code expects the database to have: files are named after theirs, in their order."""
    return max(file.stem.partition("_")[0] for file in (scripts / "versions").glob("*.py"))


def serves(found: str | None, expected: str) -> bool:
    """Whether code that expects one revision works with another: with every later one, since revisions expand first.

    So old code goes on beside new code, and comes back after it, while the database stays as it is.
    """
    return found is not None and (len(found), found) >= (len(expected), expected)


async def ensure(url: str, scripts: Path) -> None:
    """Bring the database to the newest revision that this code knows, if it is not there or beyond.

    Raises MigrationError, or what the driver raises when the database is out of reach.
    """
    if serves(await current(url), head(scripts)):
        return
    command = [sys.executable, "-m", "chassis.store.migrations", str(scripts)]
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | {"DATABASE_URL": url})
    if await process.wait() != 0 and not serves(await current(url), head(scripts)):
        raise MigrationError(f"the migrations in {scripts} could not be applied; the lines above say why")


async def require(url: str, scripts: Path) -> None:
    """Raise NotMigratedError unless the database serves this code."""
    found = await current(url)
    if not serves(found, head(scripts)):
        raise NotMigratedError(f"revision {head(scripts)} is needed, and the database has {found or 'none'}")


async def current(url: str) -> str | None:
    """The revision that the database has, None when it has none yet."""
    connection = await connect(url, CONNECT_TIMEOUT)
    try:
        revision = await connection.fetchval("SELECT version_num FROM alembic_version", timeout=CONNECT_TIMEOUT)
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        return None  # or so new that nobody has been given any rights
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT)
    return str(revision)
