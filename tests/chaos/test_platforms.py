"""Checkouts do not wait for the external platform, and it is told once about each that completed."""

import pytest

from tests.chaos import platforms
from tests.chaos.drill import Drill
from tests.chaos.programs import PROGRAMS

pytestmark = pytest.mark.chaos


async def test_platform_that_fails_is_told_later(drill: Drill) -> None:
    """While the platform answers with 500 checkouts complete, and their deliveries follow."""
    await drill.run("platform: 500", platforms.errors, spares=PROGRAMS)


async def test_platform_that_is_slow_is_told_once(drill: Drill) -> None:
    """While the platform answers too late checkouts complete, and it has each delivery once."""
    await drill.run("platform: slow", platforms.slowness, spares=PROGRAMS)


async def test_platform_that_fails_after_it_acted_is_told_once(drill: Drill) -> None:
    """A platform that stored a delivery and then failed is told again, and has it once."""
    await drill.run("platform: fails after it acted", platforms.errors_after_it_acted, spares=PROGRAMS)
