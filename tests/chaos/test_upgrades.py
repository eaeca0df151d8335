"""Checkouts survive an upgrade under load, and the way back."""

import os

import pytest

from tests.chaos import greens, moving, upgrades
from tests.chaos.drill import Drill
from tests.chaos.programs import PROGRAMS

pytestmark = pytest.mark.chaos


async def test_versions_run_side_by_side(drill: Drill) -> None:
    """While old and new processes share queues and databases, every checkout ends; and so on the way back."""
    await drill.run("rolling upgrade and rollback", upgrades.rolled_and_rolled_back)


@pytest.mark.skipif("STACK_ENV" in os.environ, reason="needs gates before the broker")
async def test_broker_is_replaced_by_another_and_back(drill: Drill) -> None:
    """While services move to an empty broker one by one, shovels bring them what waits at the old one; and back."""
    await drill.run("another broker, and back", greens.moved_and_moved_back, spares=PROGRAMS)


@pytest.mark.skipif("STACK_ENV" in os.environ, reason="needs gates before the databases")
async def test_database_of_one_service_moves_to_another_server_and_back(drill: Drill) -> None:
    """While a service is away its events wait, and whatever it knew and was promised moves with its database."""
    others = [name for name in PROGRAMS if name != f"{moving.SERVICE}_svc"]
    await drill.run("a database moved, and back", moving.moved_and_moved_back, spares=others)
