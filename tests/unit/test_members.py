"""How the nodes of a cluster share the queues is compared with how they should."""

from collections.abc import Sequence
from typing import Any

import pytest

from chassis.choreography.topology import policies
from chassis.documents.members import Cluster, cluster, compare

ONE, TWO, THREE = NODES = ("rabbit@one", "rabbit@two", "rabbit@three")
POLICIES = policies(["lamps"])
STEPS = [f"lamps.step{number}" for number in range(9)]


def node(name: str, *, running: bool = True) -> dict[str, Any]:
    """A node, as RabbitMQ 3.10 says it in `/api/nodes`, without what is not looked at."""
    return {"name": name, "type": "disc", "running": running, "partitions": [], "mem_alarm": False}


def queue(name: str, leader: str, members: Sequence[str] = NODES, **more: Any) -> dict[str, Any]:
    """A quorum queue, as RabbitMQ 3.10 says it in `/api/queues`, without what is not looked at."""
    return {
        "name": name,
        "type": "quorum",
        "node": leader,
        "leader": leader,
        "members": list(members),
        "online": list(members),
        "policy": "lamps.steps",
        "state": "running",
    } | more


def shared(*, members: Sequence[str] = NODES) -> list[dict[str, Any]]:
    """Nine queues, of which each node leads three."""
    return [queue(name, NODES[number % 3], members) for number, name in enumerate(STEPS)]


def of(queues: Sequence[dict[str, Any]], nodes: Sequence[str] = NODES) -> list[str]:
    """What is said about these queues on these nodes."""
    return compare(cluster(map(node, nodes), queues), POLICIES)


def test_cluster_that_is_as_it_should_be_is_not_spoken_of() -> None:
    """Three members each, all online, and the leaders spread."""
    assert of(shared()) == []


def test_broker_of_one_node_is_as_it_should_be() -> None:
    """There is nobody to share with."""
    assert of([queue(name, ONE, [ONE]) for name in STEPS], [ONE]) == []


def test_more_nodes_need_no_more_members() -> None:
    """Of five nodes, three have a member of a queue."""
    assert of(shared(), [*NODES, "rabbit@four", "rabbit@five"]) == []


def test_two_nodes_are_no_cluster() -> None:
    """With either of them, the majority is lost."""
    assert of([queue("lamps.light", ONE, [ONE, TWO])], [ONE, TWO]) == ["two nodes bear the loss of none; add a third"]


def test_queues_that_were_there_before_the_cluster_have_to_grow() -> None:
    """The command names a node where they have no member."""
    (line,) = of([*shared(), queue("lamps.old", THREE, [ONE, THREE]), queue("lamps.older", THREE, [THREE])])
    assert line == f"fewer than 3 members: lamps.old, lamps.older; rabbitmq-queues grow {TWO} all"


def test_many_queues_are_counted() -> None:
    """Nobody reads forty names."""
    lines = of([queue(name, NODES[number % 3], [NODES[number % 3]]) for number, name in enumerate(STEPS)])
    assert lines[0].startswith("fewer than 3 members: lamps.step0, lamps.step1, lamps.step2 and 6 more; ")


def test_member_on_a_node_that_is_gone_has_to_go() -> None:
    """It counts for the majority for ever, and votes never again."""
    gone = "rabbit@gone"
    lines = of([*shared()[1:], queue(STEPS[0], ONE, [ONE, TWO, gone], online=[ONE, TWO])])
    assert lines == [
        f"fewer than 3 members: {STEPS[0]}; rabbitmq-queues grow {THREE} all",
        f"{gone} is no node any more, and has members; rabbitmq-queues shrink {gone}",
    ]


def test_even_number_of_members_is_named() -> None:
    """Four bear the loss of one, as three do."""
    four = [*NODES, "rabbit@four"]
    (line,) = of([*shared()[1:], queue(STEPS[0], ONE, four)], four)
    assert line.startswith("an even number of members bears no more loss than one less: lamps.step0")


def test_all_leaders_on_one_node_are_named() -> None:
    """As they are where each queue is led by the node that its service was connected to."""
    (line,) = of([queue(name, ONE) for name in STEPS])
    assert line == f"{ONE} leads 9 queues, its share is 3; rabbitmq-queues rebalance quorum"


def test_some_more_leaders_than_the_share_are_no_news() -> None:
    """They move whenever a node restarts."""
    leaders = [ONE] * 4 + [TWO] * 3 + [THREE] * 2
    assert of([queue(name, leader) for name, leader in zip(STEPS, leaders, strict=True)]) == []


def test_node_that_is_down_is_named_and_not_each_member_on_it() -> None:
    """Its queues have a majority without it; who leads what is judged among those that run."""
    queues = [queue(name, (ONE, TWO)[number % 2], online=[ONE, TWO]) for number, name in enumerate(STEPS)]
    found = cluster([node(ONE), node(TWO), node(THREE, running=False)], queues)
    assert compare(found, POLICIES) == [f"node {THREE} does not run"]


def test_member_that_is_down_on_a_node_that_runs_is_named() -> None:
    """Nobody else would see it."""
    (line,) = of([*shared()[1:], queue(STEPS[0], ONE, online=[ONE, TWO])])
    assert line == f"1 queues have a member on {THREE} that is not online although the node runs; look at its log"


def test_queue_without_a_majority_is_named() -> None:
    """It takes nothing until one is back."""
    nodes = [node(ONE), node(TWO, running=False), node(THREE, running=False)]
    lines = compare(cluster(nodes, [queue(STEPS[0], ONE, online=[ONE])]), POLICIES)
    assert lines[-1] == "no majority of members is online: lamps.step0; start the nodes that are missing"


def test_policy_of_somebody_else_that_counts_instead_is_named() -> None:
    """With it, a queue has other limits than it should, though ours is there."""
    (line,) = of([*shared()[1:], queue(STEPS[0], ONE, policy="ha-all"), queue("window.events", TWO, policy="mine")])
    assert line == "policy lamps.steps does not count for lamps.step0, but ha-all: look at the priorities"


@pytest.mark.parametrize(("policy", "lines"), [(None, 1), ("", 1), ("lamps.steps", 0)])
def test_queue_that_no_policy_counts_for_is_named(policy: str | None, lines: int) -> None:
    """The API says null, or nothing."""
    assert len(of([*shared()[1:], queue(STEPS[0], ONE, policy=policy)])) == lines


def test_policy_that_the_api_does_not_know_yet_is_no_news() -> None:
    """A node that has just started has counted nothing, and leaves out what it will say later."""
    fresh = [{key: value for key, value in one.items() if key != "policy"} for one in shared()]
    assert of(fresh) == []


@pytest.mark.parametrize("kind", ["classic", "stream"])
def test_queues_of_another_kind_are_left_out(kind: str) -> None:
    """They have no members, or others."""
    assert of([*shared(), queue("lamps.news.1", ONE, [ONE], type=kind)]) == []


def test_queue_that_was_just_declared_is_left_out() -> None:
    """The API does not know its members yet."""
    assert cluster([node(ONE)], [{"name": "lamps.new", "type": "quorum"}]) == Cluster({ONE: True}, ())
