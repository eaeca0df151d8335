"""Checkouts survive an upgrade under load, and the way back."""

import pytest

from tests.chaos import upgrades
from tests.chaos.drill import Drill

pytestmark = pytest.mark.chaos


async def test_versions_run_side_by_side(drill: Drill) -> None:
    """While old and new processes share queues and databases, every checkout ends and nothing is parked; then back."""
    await drill.run("rolling upgrade and rollback", upgrades.rolled_and_rolled_back)
