"""Several nodes of RabbitMQ on this machine that are one broker: each queue has a member on each of them."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from stack.credentials import ADMIN
from stack.errors import StackError
from stack.program import Once, Program
from stack.servers.rabbitmq import Node, mapper, node_name

QUEUES = "/usr/lib/rabbitmq/bin/rabbitmq-queues"
FORMED = "cluster"
"""What waits until all nodes are there"""
_FORMED_WITHIN = 60.0
_PAUSE = 0.3


@dataclass(frozen=True)
class Cluster:
    """The broker of one stack, where it has several nodes; tools reach whichever lives through a balancer."""

    first: Node

    @property
    def nodes(self) -> list[Node]:
        """All nodes."""
        return [replace(self.first, number=number) for number in range(1, self.first.nodes + 1)]

    @property
    def names(self) -> list[str]:
        """What the processes are called."""
        return [node.name for node in self.nodes]

    @property
    def management_url(self) -> str:
        """The administrator's URL of the HTTP API and the UI."""
        return f"http://{ADMIN}:{self.first.credentials.admin}@127.0.0.1:{self.first.ports['management']}"

    def url(self, user: str = ADMIN) -> str:
        """The AMQP URL of a user: of all nodes for a service, and of the balancer for whoever knows one address."""
        url = self.first.url(user)
        return self._of_all(url) if user != ADMIN else url.replace(self.first.address(), self._balanced)

    def url_without_password(self, user: str) -> str:
        """The AMQP URL, of all nodes, of a user whose password is in a file."""
        return self._of_all(self.first.url_without_password(user))

    def ports(self, what: str) -> list[int]:
        """Where the nodes listen for AMQP, or for something else."""
        return [node.port(what) for node in self.nodes]

    @property
    def _balanced(self) -> str:
        return f"127.0.0.1:{self.first.ports['rabbitmq']}"

    def _of_all(self, url: str) -> str:
        return url.replace(self.first.address(), ",".join(node.address() for node in self.nodes))

    def programs(self) -> list[Program]:
        """The nodes, and the one port mapper of all of them.

        The first time, the first node is the cluster that the others join. Afterwards each knows the others and waits
        for them, so that they have to start together; and one that has lost its data joins them.
        """
        numbers = [node.number for node in self.nodes]
        is_new = not any(node.has_data for node in self.nodes[1:])
        founder, *others = self.nodes
        first = founder.program(peers=[founder.number] if is_new else numbers)
        rest = [node.program(after=(founder.name,) if is_new else (), peers=numbers) for node in others]
        return [mapper(self.first.ports["epmd"]), first, *rest]

    def onces(self) -> list[Once]:
        """What has to be done before queues are declared: only nodes that are there get a member of them."""
        return [Once(FORMED, self._form, tuple(self.names))]

    async def _form(self) -> None:
        numbers = [node.number for node in self.nodes]
        await self.first.write_files(numbers)
        async with httpx2.AsyncClient(base_url=self.first.management_url, trust_env=False) as api:
            try:
                async with asyncio.timeout(_FORMED_WITHIN):
                    while await _running(api) < len(numbers):  # noqa: ASYNC110 - nodes have no event to set
                        await asyncio.sleep(_PAUSE)
            except TimeoutError as error:
                raise StackError(
                    f"the nodes did not find each other in {_FORMED_WITHIN:.0f} s: see  make status"
                ) from error
            queues = await _get(api, "/api/queues?columns=type,members")
        if short_of_members(queues, len(numbers)):
            for node in self.nodes:
                await self._grow(node)

    async def _grow(self, node: Node) -> None:
        """Give every queue that has none a member on this node."""
        environment = os.environ | node.for_tools()
        process = await asyncio.create_subprocess_exec(
            *[QUEUES, "grow", node_name(node.number), "all", "--errors-only"],
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await process.wait()


def short_of_members(queues: Sequence[Mapping[str, Any]], nodes: int) -> bool:
    """Whether a quorum queue has fewer members than the cluster has nodes."""
    return any(queue.get("type") == "quorum" and len(queue.get("members", ())) < nodes for queue in queues)


async def _running(api: httpx2.AsyncClient) -> int:
    try:
        return sum(bool(node.get("running")) for node in await _get(api, "/api/nodes?columns=name,running"))
    except httpx2.HTTPError:
        return 0


async def _get(api: httpx2.AsyncClient, path: str) -> list[dict[str, Any]]:
    answer = await api.get(path)
    return list(answer.raise_for_status().json())
