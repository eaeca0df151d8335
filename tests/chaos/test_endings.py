"""Checkouts survive that services are replaced by themselves, and nobody notices."""

import pytest

from tests.chaos import endings
from tests.chaos.drill import Drill

pytestmark = pytest.mark.chaos


async def test_orderly_end_under_load_leaves_nothing_half_done(drill: Drill) -> None:
    """A service that is asked to end answers what it has begun, ends in time, and gets nothing again that it did."""
    await drill.run("SIGTERM", endings.terminated)


async def test_orderly_end_answers_those_who_wait(drill: Drill) -> None:
    """A service that is asked to end tells clients who wait for an outcome that they have to ask again."""
    await drill.run("SIGTERM, outcomes still open", endings.terminated_in_suspense)
