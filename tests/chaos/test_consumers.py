"""Checkouts survive what may happen to consumers, and more of them than usual."""

import pytest

from tests.chaos import consumers
from tests.chaos.drill import Drill
from tests.chaos.programs import PROGRAMS

pytestmark = pytest.mark.chaos


async def test_deleted_queues_are_declared_again(drill: Drill) -> None:
    """When a queue is deleted its service notices, declares it again and consumes from it."""
    await drill.run("consumer cancelled: queue deleted", consumers.deleted, spares=PROGRAMS)


async def test_what_a_deleted_queue_held_is_said_again(drill: Drill) -> None:
    """An observer that has taken an event does not make up for the step that has to hear it."""
    await drill.run("queue deleted while an observer is bound", consumers.deleted_while_observed, spares=PROGRAMS)


async def test_consumers_that_time_out_come_back(drill: Drill) -> None:
    """When the broker closes channels because nothing is acknowledged, their consumers come back."""
    await drill.run("channel closed: consumer timeout", consumers.timed_out, spares=PROGRAMS)


async def test_slow_consumers_catch_up(drill: Drill) -> None:
    """When two services stand still because of locked rows, they catch up afterwards."""
    await drill.run("slow consumer: locked rows", consumers.slow, spares=PROGRAMS)


async def test_ten_times_the_load_is_worked_off(drill: Drill) -> None:
    """When ten times as many fans come as usual, all of their checkouts end."""
    await drill.run("ten-fold load spike", consumers.spike, spares=PROGRAMS)
