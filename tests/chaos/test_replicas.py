"""Checkouts survive the loss of one of two processes of every service."""

import pytest

from tests.chaos import replicas
from tests.chaos.drill import Drill
from tests.chaos.programs import PROGRAMS

pytestmark = pytest.mark.chaos


async def test_what_a_dead_replica_left_goes_out_through_the_other(drill: Drill) -> None:
    """When second processes die between commit and publish, the first ones publish what these had said."""
    await drill.run("kill -9 of one of two replicas", replicas.second_killed, spares=PROGRAMS)


async def test_two_replicas_of_everything_are_survived(drill: Drill) -> None:
    """Replicas share queues and databases, and what one leaves behind the other does."""
    await drill.run("two replicas of everything", replicas.side_by_side)


async def test_wait_at_one_replica_is_ended_by_the_other(drill: Drill) -> None:
    """What the other replica does is told, so that nobody asks the database in the meantime."""
    await drill.run("a wait, and the other replica", replicas.woken, spares=PROGRAMS)
