"""Checkouts survive the nodes of a broker that has three."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.chaos import clusters
from tests.chaos.drill import Drill, Fault
from tests.chaos.ledger import Ledger
from tests.chaos.nodes import Nodes, cluster

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif("STACK_ENV" in os.environ, reason="needs nodes of its own"),
]


@dataclass(frozen=True)
class Cluster:
    """Runs scripts on a broker of three nodes."""

    drill: Drill
    nodes: Nodes

    async def run(self, name: str, fault: Fault) -> None:
        """Run one script; every service gets over it in the same process."""
        await self.drill.run_busily(f"cluster: {name}", fault)


@pytest.fixture(scope="module")
async def three(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger) -> AsyncIterator[Cluster]:
    """A stack of its own, whose broker has three nodes."""
    async with cluster(tmp_path_factory.mktemp("cluster")) as (site, nodes):
        yield Cluster(Drill(site, ledger), nodes)


async def test_leader_that_is_killed_is_followed_by_another(three: Cluster) -> None:
    """When the node dies that leads a queue, another member of it goes on with all that was confirmed."""
    await three.run("the leader's node killed", clusters.leader_killed(three.nodes))


async def test_node_that_is_killed_is_left_for_another(three: Cluster) -> None:
    """When the node dies that a service is connected to, the service goes on over another one."""
    await three.run("the connected node killed", clusters.connected_killed(three.nodes))


async def test_node_that_is_cut_off_pauses(three: Cluster) -> None:
    """The node that sees no majority serves nobody, and whoever was connected to it goes on with the others."""
    await three.run("a node cut off for 35 s", clusters.partitioned(three.nodes))


async def test_lost_quorum_only_delays(three: Cluster) -> None:
    """While two of three nodes stand still nothing is published and nobody is ready; then all of it is."""
    await three.run("quorum lost for 20 s", clusters.quorum_lost(three.nodes))


async def test_node_that_is_lost_is_replaced(three: Cluster) -> None:
    """An empty node gets a member of every queue, and with it all that is in them."""
    await three.run("a node replaced by an empty one", clusters.replaced(three.nodes))


async def test_nodes_are_restarted_one_by_one(three: Cluster) -> None:
    """As for an upgrade: the rest of the cluster goes on."""
    await three.run("rolling restart", clusters.restarted_one_by_one(three.nodes))
