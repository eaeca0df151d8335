"""Checkouts survive the loss of one of three processes of every service, behind one address."""

import os
from collections.abc import AsyncIterator

import pytest

from stack.run.supervisor import RESTART_AT_ONCE
from tests.chaos import fleets
from tests.chaos.drill import Drill
from tests.chaos.ledger import Ledger
from tests.chaos.nodes import running

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif("STACK_ENV" in os.environ, reason="needs processes of its own"),
]


@pytest.fixture(scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger) -> AsyncIterator[Drill]:
    """A stack of its own, with three processes of each service."""
    wanted = {"STACK_REPLICAS": str(fleets.REPLICAS), RESTART_AT_ONCE: "yes"}
    async with running(tmp_path_factory.mktemp("fleet"), wanted) as site:
        yield Drill(site, ledger)


async def test_replicas_that_are_killed_are_replaced(fleet: Drill) -> None:
    """One of three processes of each service dies, the balancer asks the others, and the supervisor starts another."""
    await fleet.run("fleet: one of three killed", fleets.killed)


async def test_replicas_are_restarted_one_by_one(fleet: Drill) -> None:
    """In an orderly restart of every process, one after the other, no client is turned away or loses a connection."""
    await fleet.run("fleet: rolling restart", fleets.restarted_one_by_one)
