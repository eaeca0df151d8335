"""Checkouts survive the loss of the primary of two database servers."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from stack.run.supervisor import RESTART_AT_ONCE
from tests.chaos import standbys
from tests.chaos.drill import Drill, Fault
from tests.chaos.ledger import Ledger
from tests.chaos.nodes import running

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif("STACK_ENV" in os.environ, reason="needs servers of its own"),
]


@dataclass(frozen=True)
class Pair:
    """Runs scripts on a database with a standby."""

    drill: Drill

    async def run(self, name: str, fault: Fault) -> None:
        """Run one script; every service gets over it in the same process."""
        await self.drill.run_busily(f"standby: {name}", fault)


@pytest.fixture(scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger) -> AsyncIterator[Pair]:
    """A stack of its own, with two database servers."""
    async with running(tmp_path_factory.mktemp("standby"), {"STACK_STANDBY": "1", RESTART_AT_ONCE: "yes"}) as site:
        yield Pair(Drill(site, ledger))


async def test_standby_takes_the_place_of_the_primary_and_back(pair: Pair) -> None:
    """Whatever was acknowledged is there, services follow in the same process, and the old primary stays away."""
    # when
    await pair.run("failover", standbys.failed_over)
    # then
    await standbys.old_primary_stays_away(pair.drill.site)
    # when
    await pair.run("the old primary rejoins", standbys.rejoined)
    # then
    await pair.run("failover back, primary frozen", standbys.failed_over_frozen)
    await standbys.old_primary_stays_away(pair.drill.site)
    await pair.run("the other one rejoins", standbys.rejoined)


async def test_standby_that_dies_only_delays(pair: Pair) -> None:
    """Nothing is acknowledged meanwhile that would be on one server alone."""
    await pair.run("the standby killed", standbys.standby_killed)
