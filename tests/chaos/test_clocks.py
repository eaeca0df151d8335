"""Checkouts survive clocks that are wrong."""

import pytest

from tests.chaos import clocks
from tests.chaos.drill import Drill
from tests.chaos.programs import PROGRAMS

pytestmark = pytest.mark.chaos


async def test_clocks_that_are_ahead_break_nothing(drill: Drill) -> None:
    """What is refused as late is undone, and the others say whose clock is ahead."""
    await drill.run("clock: 5 min ahead", clocks.astray(clocks.ASTRAY_SECONDS), spares=PROGRAMS)


async def test_clocks_that_are_behind_break_nothing(drill: Drill) -> None:
    """What is let through late meets what was undone before, and everything ends."""
    await drill.run("clock: 5 min behind", clocks.astray(-clocks.ASTRAY_SECONDS), spares=PROGRAMS)
