"""Broker: a RabbitmqCluster, and what it holds before any service starts, in the kinds of the topology operator.

The queues of services are not among them. A service declares its own, and finds by that which of them were lost, so
that it can ask for what they held (decision 35); an operator that made them anew would hide the loss.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chassis.choreography.rights import MAX_CHANNELS, MAX_MESSAGE_BYTES, USER_LIMITS, VHOST_LIMITS
from chassis.choreography.topology import topology
from stack.kubernetes.manifest import Manifest, labels_of, manifest, resource_name
from stack.kubernetes.secrets import BROKER_TLS, SCALER, broker_secret
from stack.servers.definitions import (
    BINDING,
    EXCHANGE,
    QUEUE,
    WINDOW_QUEUE,
    WINDOW_RIGHTS,
    WINDOW_TAGS,
    limits,
    rights,
    topic_rights,
    window_hears,
)
from stack.services import WINDOW, Told

API = "rabbitmq.com/v1beta1"
CLUSTER = "rabbitmq"
NODES = 3
VHOST = "/"
IMAGE = "rabbitmq:4-management"
NO_RIGHTS = {"configure": "^$", "write": "^$", "read": "^$"}
_CONFIG = f"""\
# A node that is cut off from the majority waits, instead of going on alone.
cluster_partition_handling = pause_minority
disk_free_limit.absolute = 2GB
max_message_size = {MAX_MESSAGE_BYTES}
channel_max = {MAX_CHANNELS}
# Whoever moves messages from queue to queue keeps the names of those who said them.
default_user_tags.administrator = true
default_user_tags.impersonator = true
"""


def cluster() -> list[Manifest]:
    """The nodes: one in each zone if there are as many, TLS alone, and one at a time to be moved."""
    labels = labels_of(CLUSTER, "rabbitmq")
    spec = {
        "replicas": NODES,
        "image": IMAGE,
        "persistence": {"storage": "20Gi"},
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi"}},
        "rabbitmq": {"additionalConfig": _CONFIG},
        "tls": {"secretName": BROKER_TLS, "disableNonTLSListeners": True},
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": _apart(labels)}},
    }
    budget = {"maxUnavailable": 1, "selector": {"matchLabels": labels}}
    return [
        manifest(API, "RabbitmqCluster", CLUSTER, spec=spec),
        manifest("policy/v1", "PodDisruptionBudget", CLUSTER, spec=budget),
    ]


def virtual_host() -> Manifest:
    """The virtual host that is there anyway, with limits; to remove this manifest does not remove it."""
    most = {"connections": VHOST_LIMITS["max-connections"], "queues": VHOST_LIMITS["max-queues"]}
    return _kind("Vhost", "root", name=VHOST, deletionPolicy="retain", limits=most)


def of_service(service: Told) -> list[Manifest]:
    """The user of a service, what it may do, how much of it, and the exchanges that the window listens to."""
    name = service.name
    topics = [
        _kind(
            "TopicPermission",
            resource_name(f"{name}-at-{right['exchange']}"),
            vhost=VHOST,
            userReference={"name": name},
            permissions=right,
        )
        for right in map(dict, topic_rights(service))
    ]
    exchanges = [
        _kind("Exchange", resource_name(exchange.name), name=exchange.name, vhost=VHOST, **_exchange())
        for exchange in topology(service.declared).exchanges
    ]
    return [user(name), _permission(name, rights(service)), *topics, *_policies(_own_limits(service)), *exchanges]


def of_window(services: Sequence[Told]) -> list[Manifest]:
    """The user of the window, and its queue, which it may not even bind."""
    queue = {"type": QUEUE["arguments"]["x-queue-type"], "durable": QUEUE["durable"]}
    bindings = [
        _kind(
            "Binding",
            resource_name(f"{WINDOW}-{exchange}"),
            vhost=VHOST,
            source=exchange,
            destination=WINDOW_QUEUE,
            destinationType="queue",
            routingKey=BINDING["routing_key"],
        )
        for exchange in window_hears(services)
    ]
    return [
        user(WINDOW, WINDOW_TAGS),
        _permission(WINDOW, WINDOW_RIGHTS),
        *_policies({WINDOW_QUEUE: limits(())[WINDOW_QUEUE]}),
        _kind("Queue", resource_name(WINDOW_QUEUE), name=WINDOW_QUEUE, vhost=VHOST, **queue),
        *bindings,
    ]


def of_scaler() -> list[Manifest]:
    """The user that counts messages, and may do nothing else."""
    return [user(SCALER, WINDOW_TAGS), _permission(SCALER, NO_RIGHTS)]


def user(name: str, tags: Iterable[str] = ()) -> Manifest:
    """A user with the password of its Secret; releases of the operator before 2025 have no `limits`."""
    most = {"connections": USER_LIMITS["max-connections"], "channels": USER_LIMITS["max-channels"]}
    tagged = {"tags": list(tags)} if tags else {}
    return _kind("User", name, **tagged, importCredentialsSecret={"name": broker_secret(name)}, limits=most)


def _permission(name: str, permissions: Mapping[str, str]) -> Manifest:
    return _kind("Permission", name, vhost=VHOST, userReference={"name": name}, permissions=dict(permissions))


def _own_limits(service: Told) -> dict[str, dict[str, Any]]:
    return {name: policy for name, policy in limits([service]).items() if name != WINDOW_QUEUE}


def _policies(found: Mapping[str, Mapping[str, Any]]) -> list[Manifest]:
    return [
        _kind(
            "Policy",
            resource_name(name),
            name=name,
            vhost=VHOST,
            pattern=policy["pattern"],
            applyTo=policy["apply-to"],
            priority=policy["priority"],
            definition=policy["definition"],
        )
        for name, policy in found.items()
    ]


def _exchange() -> dict[str, Any]:
    return {"type": EXCHANGE["type"], "durable": EXCHANGE["durable"], "autoDelete": EXCHANGE["auto_delete"]}


def _kind(kind: str, resource: str, **spec: Any) -> Manifest:
    return manifest(API, kind, resource, spec={**spec, "rabbitmqClusterReference": {"name": CLUSTER}})


def _apart(labels: dict[str, str]) -> list[dict[str, Any]]:
    selector = {"labelSelector": {"matchLabels": labels}}
    keys = {"kubernetes.io/hostname": 100, "topology.kubernetes.io/zone": 50}
    return [{"weight": weight, "podAffinityTerm": {**selector, "topologyKey": key}} for key, weight in keys.items()]
