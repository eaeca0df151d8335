"""Checkouts survive the broker and the database server."""

import pytest

from tests.chaos import outages
from tests.chaos.drill import Drill
from tests.chaos.programs import PROGRAMS

pytestmark = pytest.mark.chaos


async def test_broker_that_is_killed_is_found_again(drill: Drill) -> None:
    """When the broker dies, every service gets over it in the same process, and nothing is lost."""
    await drill.run("broker: kill -9", outages.broker_killed, spares=PROGRAMS)


async def test_database_that_is_killed_is_found_again(drill: Drill) -> None:
    """When the database server dies, every service gets over it in the same process, and nothing is lost."""
    await drill.run("database: kill -9", outages.database_killed, spares=PROGRAMS)


async def test_broker_that_is_restarted_is_found_again(drill: Drill) -> None:
    """When the broker is restarted, every service gets over it in the same process."""
    await drill.run("broker: restart", outages.broker_restarted, spares=PROGRAMS)


async def test_full_memory_of_the_broker_only_delays(drill: Drill) -> None:
    """While the memory alarm is on nothing is published, and all of it afterwards."""
    await drill.run("broker: memory alarm", outages.memory_alarm, spares=PROGRAMS)


async def test_full_disk_of_the_broker_only_delays(drill: Drill) -> None:
    """While the disk alarm is on nothing is published, and all of it afterwards."""
    await drill.run("broker: disk alarm", outages.disk_alarm, spares=PROGRAMS)


async def test_database_that_is_restarted_is_found_again(drill: Drill) -> None:
    """When the database server is restarted, every service gets over it in the same process."""
    await drill.run("database: restart", outages.database_restarted, spares=PROGRAMS)


async def test_transactions_that_are_cut_off_are_done_again(drill: Drill) -> None:
    """When sessions are ended in the middle of their transactions, these are done again."""
    await drill.run("database: pg_terminate_backend", outages.transactions_terminated, spares=PROGRAMS)
