"""Checkouts survive the broker."""

import pytest

from tests.chaos import brokers
from tests.chaos.drill import Drill
from tests.chaos.programs import PROGRAMS


async def test_broker_that_is_killed_is_found_again(drill: Drill) -> None:
    """When the broker dies, every service gets over it in the same process, and nothing is lost."""
    await drill.run("broker: kill -9", brokers.killed, spares=PROGRAMS)


@pytest.mark.chaos
async def test_broker_that_is_restarted_is_found_again(drill: Drill) -> None:
    """When the broker is restarted, every service gets over it in the same process."""
    await drill.run("broker: restart", brokers.restarted, spares=PROGRAMS)


@pytest.mark.chaos
async def test_broker_that_comes_back_empty_is_filled_again(drill: Drill) -> None:
    """What was lost with its queues is said again, and every checkout that was in flight ends."""
    await drill.run("broker: comes back empty", brokers.emptied, spares=PROGRAMS)


@pytest.mark.chaos
async def test_full_memory_of_the_broker_only_delays(drill: Drill) -> None:
    """While the memory alarm is on nothing is published, and all of it afterwards."""
    await drill.run("broker: memory alarm", brokers.memory_alarm, spares=PROGRAMS)


@pytest.mark.chaos
async def test_full_disk_of_the_broker_only_delays(drill: Drill) -> None:
    """While the disk alarm is on nothing is published, and all of it afterwards."""
    await drill.run("broker: disk alarm", brokers.disk_alarm, spares=PROGRAMS)


@pytest.mark.chaos
async def test_alarm_that_outlasts_all_patience_only_delays(drill: Drill) -> None:
    """Nothing is said twice, sent to another attempt or parked, and nobody connects anew."""
    await drill.run("broker: alarm for 20 s", brokers.memory_alarm_that_lasts(20), spares=PROGRAMS)


@pytest.mark.chaos
async def test_alarm_of_minutes_only_delays(drill: Drill) -> None:
    """However long it lasts."""
    await drill.run("broker: alarm for 3 min", brokers.memory_alarm_that_lasts(180), spares=PROGRAMS)
