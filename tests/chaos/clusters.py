"""Faults of single nodes of a broker that has three, and of the wires between them."""

import asyncio
import signal

from stack.servers.rabbitmq import node_name
from stack.services import SERVICES
from tests.chaos.drill import Fault
from tests.chaos.nodes import NUMBERS, Nodes
from tests.chaos.site import Site
from tests.end_to_end.eventually import eventually

QUEUE, SERVICE = "payment.pay", "payment"
"""The queue whose leader is lost, and the service that loses its connection"""
CUT_SECONDS = 35.0
"""Longer than it takes the nodes to believe that one of them is gone"""
LOST_SECONDS = 20.0
UNREADY_WITHIN = 25.0
FORGOTTEN_SECONDS = 90.0


def leader_killed(nodes: Nodes) -> Fault:
    """The node dies that leads a queue; another member leads it from then on."""

    async def fault(site: Site) -> int:
        number = await nodes.leader(site, QUEUE)
        await nodes.end(number, signal.SIGKILL)
        assert await eventually(lambda: nodes.leader(site, QUEUE), lambda leader: leader not in (0, number))
        await nodes.until_whole(site)
        return 1

    return fault


def connected_killed(nodes: Nodes) -> Fault:
    """The node dies that a service is connected to, which goes on over another one."""

    async def fault(site: Site) -> int:
        await nodes.end(await nodes.of_connections(site, SERVICE), signal.SIGKILL)
        await nodes.until_whole(site)
        return 1

    return fault


def partitioned(nodes: Nodes) -> Fault:
    """Nothing passes between the others and the node that a service is connected to; that one pauses."""

    async def fault(site: Site) -> int:
        async with nodes.wires.cut(await nodes.of_connections(site, SERVICE)) as lines:
            await asyncio.sleep(CUT_SECONDS)
        await nodes.until_whole(site)
        return lines

    return fault


def quorum_lost(nodes: Nodes) -> Fault:
    """Two of three nodes stand still; nobody says that he is ready, and all go on when these do."""

    async def fault(site: Site) -> int:
        still = NUMBERS[1:]
        frozen = asyncio.create_task(nodes.freeze(*still, seconds=LOST_SECONDS))
        try:
            await eventually(lambda: _ready(site), lambda ready: not ready, within=UNREADY_WITHIN)
        finally:
            await frozen
        await nodes.until_whole(site)
        return len(still)

    return fault


async def _ready(site: Site) -> list[str]:
    answers = await asyncio.gather(*(site.is_ready(service) for service in SERVICES))
    return [service for service, is_ready in zip(SERVICES, answers, strict=True) if is_ready]


def replaced(nodes: Nodes) -> Fault:
    """A node is lost with all that it had, is forgotten, and an empty one takes its place and its name."""

    async def fault(site: Site) -> int:
        await replace_node(nodes, site, number=3)
        return 1

    return fault


async def replace_node(nodes: Nodes, site: Site, number: int) -> None:
    """What docs/fleet.md says to do when a node is lost."""
    await nodes.empty(number, FORGOTTEN_SECONDS)
    helper = next(other for other in NUMBERS if other != number)
    await nodes.ctl(helper, "rabbitmqctl", "forget_cluster_node", node_name(number))
    nodes.wake(number)
    await eventually(lambda: _is_back(nodes, helper, number), within=FORGOTTEN_SECONDS)
    await nodes.ctl(helper, "rabbitmq-queues", "grow", node_name(number), "all")
    await nodes.until_whole(site)


def restarted_one_by_one(nodes: Nodes) -> Fault:
    """Each node is restarted in order, and the next one only when nothing lacks it any more."""

    async def fault(site: Site) -> int:
        for number in NUMBERS:
            await nodes.end(number, signal.SIGTERM)
            await nodes.until_whole(site)
        return len(NUMBERS)

    return fault


async def _is_back(nodes: Nodes, helper: int, number: int) -> bool:
    said = await nodes.ctl(helper, "rabbitmqctl", "eval", "rabbit_nodes:all_running().")
    return node_name(number) in said
