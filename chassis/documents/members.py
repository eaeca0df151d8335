"""Members: how the nodes of a live cluster share the queues, and what mends it where they do not."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_MEMBERS = 3
"""How many members a queue should have: with three, one node may be lost; each more is one more that has to write"""
MARGIN = 1.25
"""How much more than its share a node may lead: after each restart of a node the leaders are elsewhere"""
MAX_NAMED = 3
"""How many queues a sentence names; it counts the others"""


@dataclass(frozen=True)
class Group:
    """The members of a quorum queue."""

    queue: str
    leader: str
    members: frozenset[str]
    online: frozenset[str]
    policy: str | None
    """The name of the policy that it obeys, empty without one, and None as long as the API does not know"""


@dataclass(frozen=True)
class Cluster:
    """The nodes of a broker, whether each runs, and its quorum queues."""

    nodes: Mapping[str, bool]
    groups: tuple[Group, ...]

    @property
    def running(self) -> list[str]:
        """The nodes that run."""
        return [node for node, runs in self.nodes.items() if runs]


def cluster(nodes: Iterable[Mapping[str, Any]], queues: Iterable[Mapping[str, Any]]) -> Cluster:
    """What the management API says of nodes and queues; those queues that it knows little of yet are left out."""
    return Cluster(
        {one["name"]: bool(one.get("running")) for one in nodes},
        tuple(_group(one) for one in queues if one.get("type") == "quorum" and one.get("members")),
    )


def _group(queue: Mapping[str, Any]) -> Group:
    return Group(
        queue["name"],
        queue.get("leader") or "",
        frozenset(queue["members"]),
        frozenset(queue.get("online") or ()),
        (queue["policy"] or "") if "policy" in queue else None,
    )


def compare(found: Cluster, policies: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is not as it should be, a sentence for each kind of thing, with the command that mends it."""
    return [*_nodes(found), *_online(found), *_sizes(found), *_leaders(found), *_policies(found.groups, policies)]


def _nodes(found: Cluster) -> Iterator[str]:
    yield from (f"node {node} does not run" for node, runs in found.nodes.items() if not runs)


def _online(found: Cluster) -> Iterator[str]:
    """Members that are not there, which matters most where no majority is."""
    without = [one.queue for one in found.groups if 2 * len(one.online & one.members) <= len(one.members)]
    if without:
        yield f"no majority of members is online: {_named(without)}; start the nodes that are missing"
    missing = Counter(node for one in found.groups for node in one.members - one.online if node in found.running)
    yield from (
        f"{count} queues have a member on {node} that is not online although the node runs; look at its log"
        for node, count in sorted(missing.items())
    )


def _sizes(found: Cluster) -> Iterator[str]:
    """Queues with members too few, too many, or on nodes that are gone."""
    wanted = MAX_MEMBERS if len(found.nodes) >= MAX_MEMBERS else 1
    small = [one for one in found.groups if len(one.members & set(found.nodes)) < wanted]
    if small:
        free = _least_used(found, small)
        mend = f"rabbitmq-queues grow {free} all"
        yield f"fewer than {wanted} members: {_named([one.queue for one in small])}; {mend}"
    even = [one.queue for one in found.groups if len(one.members) % 2 == 0]
    if len(found.nodes) == MAX_MEMBERS - 1:
        yield "two nodes bear the loss of none; add a third"
    elif even and not small:
        yield f"an even number of members bears no more loss than one less: {_named(even)}; rabbitmq-queues shrink NODE"
    gone = sorted({node for one in found.groups for node in one.members if node not in found.nodes})
    yield from (f"{node} is no node any more, and has members; rabbitmq-queues shrink {node}" for node in gone)


def _least_used(found: Cluster, small: Sequence[Group]) -> str:
    """The running node on which most of these queues have no member."""
    lacking = Counter(node for one in small for node in found.running if node not in one.members)
    return lacking.most_common(1)[0][0] if lacking else "NODE"


def _leaders(found: Cluster) -> Iterator[str]:
    """Nodes that lead more queues than their share."""
    led = Counter(one.leader for one in found.groups if one.leader)
    share = math.ceil(len(found.groups) / max(1, len(found.running)))
    yield from (
        f"{node} leads {count} queues, its share is {share}; rabbitmq-queues rebalance quorum"
        for node, count in sorted(led.items())
        if count > math.ceil(MARGIN * share) and len(found.running) > 1
    )


def _policies(groups: Iterable[Group], policies: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Queues that obey somebody else's policy: of several that match, one counts, and nothing of the others."""
    overruled: dict[tuple[str, str], list[str]] = {}
    for one in groups:
        ours = next((name for name, policy in policies.items() if re.search(policy["pattern"], one.queue)), None)
        if ours is not None and one.policy is not None and one.policy != ours:
            overruled.setdefault((ours, one.policy or "none"), []).append(one.queue)
    for (ours, theirs), queues in overruled.items():
        yield f"policy {ours} does not count for {_named(queues)}, but {theirs}: look at the priorities"


def _named(queues: Sequence[str]) -> str:
    named = ", ".join(sorted(queues)[:MAX_NAMED])
    more = len(queues) - MAX_NAMED
    return f"{named} and {more} more" if more > 0 else named
