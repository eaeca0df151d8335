"""A real PostgreSQL for the tests of the archive."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.conftest import postgres_admin_url
from tests.contract.test_migrations import create_database
from tests.window.archive import Archive, migrated
from window.database import connect

__all__ = ["archive", "database_url", "postgres_admin_url"]


@pytest.fixture(scope="session")
async def database_url(postgres_admin_url: str) -> str:  # the fixture, not its function
    """A database with the tables of the window."""
    url = await create_database(postgres_admin_url)
    await migrated(url)
    return url


@pytest.fixture
async def archive(database_url: str) -> AsyncIterator[Archive]:
    """An empty archive."""
    async with await connect(database_url, 4) as pool:
        await pool.execute("TRUNCATE message, aside, saga, kind, mention, person, tally, reached, gap, balance")
        yield Archive.of(pool)
