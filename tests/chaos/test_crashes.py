"""Checkouts survive the deaths of the processes that carry them, wherever these die."""

import pytest

from chassis.crash import Point
from tests.chaos import crashes
from tests.chaos.crashes import REFUSED, killed_at
from tests.chaos.drill import Drill
from tests.chaos.platforms import refusing
from tests.chaos.programs import PROGRAMS
from tests.chaos.shoppers import EVERY

pytestmark = pytest.mark.chaos


async def test_every_step_survives_a_kill(drill: Drill) -> None:
    """Each step is cut off at one of its crash points, forward or back, and is done again without a second effect."""
    orders = [order for order in crashes.one_order_for_each_step() if order.subject != REFUSED]
    await drill.run("kill -9 at one crash point of each step", killed_at(orders), ways=EVERY)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("point", Point)
async def test_every_crash_point_of_every_step_is_survived(drill: Drill, point: Point) -> None:
    """Each step and each event that it may say is cut off at this point, forward and back."""
    orders = [one for one in crashes.every_order() if one.point == point and one.subject != REFUSED]
    await drill.run(f"kill -9 {point}", killed_at(orders), ways=EVERY)


async def test_refused_delivery_survives_a_kill(drill: Drill) -> None:
    """Each crash point of a delivery that the platform refuses is survived; a person can have it sent again."""
    await drill.run(f"kill -9 around {REFUSED}", refusing(killed_at(crashes.orders_of(REFUSED))))


async def test_kill_anywhere_is_survived(drill: Drill) -> None:
    """Processes that are killed wherever they are leave nothing half done."""
    await drill.run("kill -9 anywhere", crashes.killed)


async def test_orderly_end_under_load_is_quick(drill: Drill) -> None:
    """A service that is asked to end does so within ten seconds, and leaves nothing half done."""
    await drill.run("SIGTERM", crashes.terminated)


async def test_standing_still_is_survived(drill: Drill) -> None:
    """A service that stood still for half a minute goes on in the same process."""
    await drill.run("SIGSTOP 30 s", crashes.frozen, spares=PROGRAMS)
