"""Who may speak to whom: what the choreography needs, and nothing else."""

from typing import Any

import pytest

from stack.directory import ROOT
from stack.kubernetes.files import BASE
from stack.kubernetes.manifest import MIGRATION, OBSERVER, PORT, SERVICE, labels_of
from stack.kubernetes.network import AMQPS, GATEWAY, MANAGEMENT, MONITORING, POSTGRES
from stack.services import SERVICES, WINDOW
from tests.contract.kustomizing import build

POLICIES = [
    one["spec"] for one in build(ROOT / BASE.parent / "overlays/production").manifests if one["kind"] == "NetworkPolicy"
]
BROKER = labels_of("rabbitmq", "rabbitmq")
PODS = {
    **{name: labels_of(name, SERVICE) for name in SERVICES},
    **{f"{name}-migrate": labels_of(name, MIGRATION) for name in (*SERVICES, WINDOW)},
    **{f"{name}-db": {"cnpg.io/cluster": f"{name}-db"} for name in (*SERVICES, WINDOW)},
    WINDOW: labels_of(WINDOW, OBSERVER),
    "rabbitmq": BROKER,
    "somebody": {"app.kubernetes.io/name": "somebody"},
}
PORTS = (PORT, AMQPS, MANAGEMENT, POSTGRES, 22)


def needed() -> set[tuple[str, str, int]]:
    """Who has to reach whom, written down by hand."""
    found: set[tuple[str, str, int]] = set()
    for name in (*SERVICES, WINDOW):
        found |= {(name, "rabbitmq", AMQPS), (name, f"{name}-db", POSTGRES)}
        found |= {(f"{name}-migrate", f"{name}-db", POSTGRES), (f"{name}-db", f"{name}-db", POSTGRES)}
    found |= {(WINDOW, name, PORT) for name in SERVICES}
    return found | {(WINDOW, "rabbitmq", MANAGEMENT)}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a selector means pods with these labels."""
    wanted, chosen = selector.get("matchLabels", {}), selector.get("matchExpressions", [])
    assert all(one["operator"] == "In" for one in chosen)
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        labels.get(one["key"]) in one["values"] for one in chosen
    )


def lets(direction: str, pod: dict[str, str], other: dict[str, str], port: int) -> bool:
    """Whether the policies let a pod speak to another one of its namespace, or hear it."""
    peers = {"egress": "to", "ingress": "from"}[direction]
    return any(
        selects(peer["podSelector"], other)
        for policy in POLICIES
        if selects(policy["podSelector"], pod)
        for rule in policy.get(direction, [])
        if any(one["port"] <= port <= one.get("endPort", one["port"]) for one in rule["ports"])
        for peer in rule[peers]
        if "podSelector" in peer and "namespaceSelector" not in peer
    )


def reached(direction: str) -> set[tuple[str, str, int]]:
    """Who may reach whom, as those see it who speak, or those who are spoken to."""
    return {
        (one, other, port)
        for one, labels in PODS.items()
        for other, target in PODS.items()
        for port in PORTS
        if lets(direction, *((labels, target) if direction == "egress" else (target, labels)), port)
    }


@pytest.mark.parametrize("direction", ["egress", "ingress"])
def test_who_has_to_reach_whom_may_and_nobody_else(direction: str) -> None:
    """Each service its broker and its own database; the window what it counts and asks; and no service another one.

    Both sides say so by themselves: if one of two policies is lost, the other still holds.
    """
    assert reached(direction) == needed()


def test_nobody_may_speak_or_hear_unless_it_is_said() -> None:
    """A pod that no policy is about reaches nobody, and nobody reaches it."""
    deny = [policy for policy in POLICIES if policy["podSelector"] == {} and policy.get("ingress") == []]

    assert [policy["policyTypes"] for policy in deny] == [["Ingress", "Egress"]]
    assert deny[0]["egress"] == []


def from_namespaces(pod: dict[str, str], port: int) -> set[str]:
    """The labels of the namespaces that a pod hears on a port."""
    return {
        label
        for policy in POLICIES
        if selects(policy["podSelector"], pod)
        for rule in policy.get("ingress", [])
        if port in [one["port"] for one in rule["ports"]]
        for peer in rule["from"]
        for label in peer.get("namespaceSelector", {}).get("matchLabels", {})
    }


@pytest.mark.parametrize("name", [*SERVICES, WINDOW])
def test_gateway_and_monitoring_reach_every_process(name: str) -> None:
    """From other namespaces, these two and no others."""
    assert from_namespaces(PODS[name], PORT) == {GATEWAY, MONITORING}


def test_only_payment_leads_outside_and_only_to_the_platform() -> None:
    """In production its addresses are named, so nothing else outside is reached; but for the API server, by servers."""
    outside = {
        (policy["podSelector"]["matchLabels"].get("app.kubernetes.io/name", "database"), peer["ipBlock"]["cidr"])
        for policy in POLICIES
        for rule in policy.get("egress", [])
        for peer in rule["to"]
        if "ipBlock" in peer
    }

    assert outside == {("payment", "203.0.113.0/24"), ("database", "0.0.0.0/0"), ("rabbitmq", "0.0.0.0/0")}
