"""What a broker holds before any service starts: users, what each may do, limits and policies, the window's queue."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from chassis.choreography.rights import USER_LIMITS, VHOST_LIMITS, permissions, topic_permissions
from chassis.choreography.topology import policies, topology
from stack.credentials import ADMIN
from stack.services import WINDOW, Told

EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
ADMIN_TAGS = ["administrator", "impersonator"]
"""Whoever moves messages from queue to queue has to keep the names of those who said them"""
WINDOW_QUEUE = f"{WINDOW}.events"
WINDOW_RIGHTS = {"configure": "^$", "write": "^$", "read": rf"^{WINDOW}\.events$"}
"""The window may read one queue; not even that queue may it declare, or bind"""
WINDOW_TAGS = ("monitoring",)
"""It may ask how full queues are"""
WINDOW_LIMITS = {"max-length": 1_000_000, "max-length-bytes": 256 << 20, "overflow": "drop-head"}
"""A window that is away costs this much disk and nothing else: the oldest message goes, and nobody waits for it"""


def definitions(
    services: Sequence[Told], password: Callable[[str], str], more_vhosts: Sequence[str] = ()
) -> dict[str, Any]:
    """The document that RabbitMQ loads; the administrator may do everything, also in the other virtual hosts."""
    vhosts = ["/", *more_vhosts]
    return {
        "vhosts": [{"name": name} for name in vhosts],
        "users": [
            {"name": ADMIN, "password": password(ADMIN), "tags": ADMIN_TAGS},
            *({"name": one.name, **user(password(one.name)), "limits": USER_LIMITS} for one in services),
            {"name": WINDOW, **user(password(WINDOW), WINDOW_TAGS), "limits": USER_LIMITS},
        ],
        "permissions": [
            *({"user": ADMIN, "vhost": vhost, **EVERYTHING} for vhost in vhosts),
            *({"user": one.name, "vhost": "/", **rights(one)} for one in services),
            {"user": WINDOW, "vhost": "/", **WINDOW_RIGHTS},
        ],
        "topic_permissions": [
            {"user": one.name, "vhost": "/", **right} for one in services for right in topic_rights(one)
        ],
        "parameters": [{"vhost": "/", "component": "vhost-limits", "name": "limits", "value": VHOST_LIMITS}],
        "policies": [{"vhost": "/", "name": name, **policy} for name, policy in limits(services).items()],
        "exchanges": [{"name": name, "vhost": "/", **EXCHANGE} for name in window_hears(services)],
        "queues": [{"name": WINDOW_QUEUE, "vhost": "/", **QUEUE}],
        "bindings": [
            {"source": name, "vhost": "/", "destination": WINDOW_QUEUE, "destination_type": "queue", **BINDING}
            for name in window_hears(services)
        ],
    }


EXCHANGE: dict[str, Any] = {
    "type": "topic",
    "durable": True,
    "auto_delete": False,
    "internal": False,
    "arguments": {},
}
"""As a service declares its own"""
QUEUE: dict[str, Any] = {"durable": True, "auto_delete": False, "arguments": {"x-queue-type": "classic"}}
BINDING: dict[str, Any] = {"routing_key": "#", "arguments": {}}


def user(password: str, tags: Sequence[str] = ()) -> dict[str, Any]:
    """A user of a service, in the words of the API."""
    return {"password": password, "tags": list(tags)}


def rights(service: Told) -> dict[str, str]:
    """What the user of a service may do."""
    return asdict(permissions(service.declared))


def topic_rights(service: Told) -> Iterable[dict[str, str]]:
    """With which routing keys it may do it, by exchange."""
    return map(asdict, topic_permissions(service.declared))


def window_hears(services: Sequence[Told]) -> list[str]:
    """The exchanges that the window listens to: all that services have."""
    return [exchange.name for service in services for exchange in topology(service.declared).exchanges]


def limits(services: Sequence[Told]) -> dict[str, dict[str, Any]]:
    """The policies of the queues, by their names."""
    window = {"pattern": WINDOW_RIGHTS["read"], "apply-to": "queues", "priority": 0, "definition": WINDOW_LIMITS}
    return {**policies(service.name for service in services), WINDOW_QUEUE: window}
