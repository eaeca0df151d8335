"""Checkouts survive the deaths of the processes that carry them, wherever these die."""

from collections import Counter

import pytest

from tests.chaos import crashes
from tests.chaos.crashes import killed_at
from tests.chaos.drill import Drill, at_once
from tests.chaos.platforms import refusing
from tests.chaos.programs import PROGRAMS
from tests.chaos.shoppers import EVENLY

RATE = 8.0


async def test_crash_points_of_every_kind_are_survived(drill: Drill) -> None:
    """Forward and back, some step or event is cut off at each of the crash points."""
    await drill.run("kill -9 at some crash points", killed_at(crashes.some_orders()), ways=EVENLY, rate=RATE)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_every_crash_point_of_every_step_is_survived(drill: Drill) -> None:
    """Each step, and each event that it may say, is cut off at each of its crash points, forward and back."""
    orders = crashes.every_order()
    refused = [order for order in orders if order.is_of_refusal]
    fault = at_once(killed_at(set(orders).difference(refused)), refusing(killed_at(refused)))
    parts = Counter(f"{order.point}, {order.way}" for order in orders)
    await drill.run("kill -9 at every crash point", fault, ways=EVENLY, rate=RATE, parts=parts)


@pytest.mark.chaos
async def test_kill_anywhere_is_survived(drill: Drill) -> None:
    """Processes that are killed wherever they are leave nothing half done."""
    await drill.run("kill -9 anywhere", crashes.killed)


@pytest.mark.chaos
async def test_standing_still_is_survived(drill: Drill) -> None:
    """A service that stood still for half a minute goes on in the same process."""
    await drill.run("SIGSTOP 30 s", crashes.frozen, spares=PROGRAMS)
