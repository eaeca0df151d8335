"""Network: who may speak to whom. Nobody may at first; each policy lets through what the choreography needs."""

from collections.abc import Sequence
from typing import Any

from chassis.choreography.step import Kind
from stack.kubernetes.manifest import COMPONENT, MIGRATION, NAME, OBSERVER, PORT, SERVICE, Manifest, labels_of, manifest
from stack.services import WINDOW, Told

Peer = dict[str, Any]
Rule = dict[str, Any]

AMQPS, MANAGEMENT, PROMETHEUS = 5671, 15671, 15691
POSTGRES, INSTANCE_MANAGER, POSTGRES_METRICS = 5432, 8000, 9187
BETWEEN_NODES = ((4369, 4369), (25672, 25672), (35672, 35682))
"""Ports of RabbitMQ's nodes among themselves: epmd, distribution, command line"""
GATEWAY, MONITORING = "concert-seats/gateway", "concert-seats/monitoring"
"""The labels of the namespaces that whoever runs the cluster gives these parts"""
KEDA, BROKER_OPERATORS, DATABASE_OPERATOR = "keda", "rabbitmq-system", "cnpg-system"
"""The namespaces that operators are in when they are installed as their documentation says"""
PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
"""What is not outside: the cluster itself, and the metadata of a cloud"""


def for_all() -> list[Manifest]:
    """Nobody hears or says anything, but for the names of others."""
    dns: Rule = {
        "to": [
            {
                **namespace("kubernetes.io/metadata.name", "kube-system"),
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ],
        "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
    }
    return [
        _policy("nobody", {}, ingress=[], egress=[]),
        _policy("names", {}, egress=[dns]),
    ]


def of_service(service: Told) -> list[Manifest]:
    """A service is asked by gateway, window and monitoring, and speaks to the broker and to its own database.

    One that has an effect, which is what does I/O, speaks to the outside as well.
    """
    name = service.name
    labels = labels_of(name, SERVICE)
    asked = [_from([namespace(GATEWAY), namespace(MONITORING), pods(labels_of(WINDOW, OBSERVER))], PORT)]
    own = [
        _policy(name, labels, ingress=asked, egress=[_to([broker()], AMQPS), _to([database(name)], POSTGRES)]),
        *_around_database(name, SERVICE),
    ]
    return [*own, *([_outside(service)] if has_effect(service) else [])]


def of_window(services: Sequence[Told]) -> list[Manifest]:
    """The window listens, counts queues, keeps, and asks services on behalf of operators; monitoring asks it."""
    labels = labels_of(WINDOW, OBSERVER)
    asked = [_from([namespace(GATEWAY), namespace(MONITORING)], PORT)]
    says = [
        _to([broker()], AMQPS, MANAGEMENT),
        _to([database(WINDOW)], POSTGRES),
        _to([pods(labels_of(service.name, SERVICE)) for service in services], PORT),
    ]
    return [_policy(WINDOW, labels, ingress=asked, egress=says), *_around_database(WINDOW, OBSERVER)]


def of_broker(services: Sequence[Told]) -> Manifest:
    """The broker hears the services and the window, its operators, KEDA and monitoring, and its nodes each other."""
    names = [service.name for service in services]
    speakers = [
        {"podSelector": {"matchLabels": {COMPONENT: SERVICE}, "matchExpressions": [_one_of(NAME, names)]}},
        pods(labels_of(WINDOW, OBSERVER)),
    ]
    operators = [namespace(_BY_NAME, BROKER_OPERATORS), namespace(_BY_NAME, KEDA), pods(labels_of(WINDOW, OBSERVER))]
    between = [{"port": first, "endPort": last, "protocol": "TCP"} for first, last in BETWEEN_NODES]
    return _policy(
        "rabbitmq",
        _BROKER,
        ingress=[
            _from(speakers, AMQPS),
            _from(operators, MANAGEMENT),
            _from([namespace(MONITORING)], PROMETHEUS),
            {"from": [broker()], "ports": between},
        ],
        egress=[{"to": [broker()], "ports": between}, _API_SERVER],
    )


def has_effect(service: Told) -> bool:
    """Whether a step of the service does I/O outside of the choreography."""
    return any(step.kind is Kind.EFFECT for step in service.declared.steps)


def broker() -> Peer:
    """The nodes of the broker."""
    return pods(_BROKER)


def database(service: str) -> Peer:
    """The instances of a service's database."""
    return pods(_database_labels(service))


def pods(labels: dict[str, str]) -> Peer:
    """Pods of this namespace."""
    return {"podSelector": {"matchLabels": labels}}


def namespace(label: str, value: str = "true") -> Peer:
    """All pods of the namespaces with a label."""
    return {"namespaceSelector": {"matchLabels": {label: value}}}


_BY_NAME = "kubernetes.io/metadata.name"
_BROKER = {NAME: "rabbitmq", COMPONENT: "rabbitmq"}
"""As the cluster operator labels them"""
_API_SERVER: Rule = {
    "to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}],
    "ports": [{"protocol": "TCP", "port": port} for port in (443, 6443)],
}
"""It is no pod, and its address differs from cluster to cluster; the nodes of brokers and databases ask it"""


def _around_database(service: str, component: str) -> list[Manifest]:
    """The migration speaks to the database alone; the database hears its own, its operator and monitoring."""
    guests = [pods(labels_of(service, one)) for one in (component, MIGRATION)]
    itself = database(service)
    return [
        _policy(f"{service}-migrate", labels_of(service, MIGRATION), egress=[_to([itself], POSTGRES)]),
        _policy(
            f"{service}-db",
            _database_labels(service),
            ingress=[
                _from([*guests, itself], POSTGRES),
                _from([namespace(_BY_NAME, DATABASE_OPERATOR)], POSTGRES, INSTANCE_MANAGER),
                _from([namespace(MONITORING)], POSTGRES_METRICS),
            ],
            egress=[_to([itself], POSTGRES), _API_SERVER],
        ),
    ]


def _outside(service: Told) -> Manifest:
    """To where effects lead; an overlay narrows it to the addresses that they are known to lead to."""
    outside = {"ipBlock": {"cidr": "0.0.0.0/0", "except": PRIVATE}}
    return _policy(f"{service.name}-outside", labels_of(service.name, SERVICE), egress=[_to([outside], 443)])


def _policy(name: str, selected: dict[str, str], **rules: list[Rule]) -> Manifest:
    """A policy for the pods with these labels, in each direction that it has rules for."""
    selector = {"matchLabels": selected} if selected else {}
    types = [direction.capitalize() for direction in rules]
    return manifest(
        "networking.k8s.io/v1", "NetworkPolicy", name, spec={"podSelector": selector, "policyTypes": types, **rules}
    )


def _database_labels(service: str) -> dict[str, str]:
    return {"cnpg.io/cluster": f"{service}-db"}


def _from(peers: list[Peer], *ports: int) -> Rule:
    return {"from": peers, "ports": _tcp(ports)}


def _to(peers: list[Peer], *ports: int) -> Rule:
    return {"to": peers, "ports": _tcp(ports)}


def _tcp(ports: Sequence[int]) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def _one_of(key: str, values: list[str]) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": values}
