"""Checkouts survive the database server."""

import pytest

from tests.chaos import servers
from tests.chaos.drill import Drill
from tests.chaos.programs import PROGRAMS


async def test_database_that_is_killed_is_found_again(drill: Drill) -> None:
    """When the database server dies, every service gets over it in the same process, and nothing is lost."""
    await drill.run("database: kill -9", servers.killed, spares=PROGRAMS)


@pytest.mark.chaos
async def test_database_that_is_restarted_is_found_again(drill: Drill) -> None:
    """When the database server is restarted, every service gets over it in the same process."""
    await drill.run("database: restart", servers.restarted, spares=PROGRAMS)


@pytest.mark.chaos
async def test_transactions_that_are_cut_off_are_done_again(drill: Drill) -> None:
    """When sessions are ended in the middle of their transactions, these are done again."""
    await drill.run("database: pg_terminate_backend", servers.transactions_terminated, spares=PROGRAMS)
