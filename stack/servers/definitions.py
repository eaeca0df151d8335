"""What a broker holds before any service starts: users, what each may do, limits and policies."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from chassis.choreography.rights import USER_LIMITS, VHOST_LIMITS, permissions, topic_permissions
from chassis.choreography.topology import policies
from stack.credentials import ADMIN
from stack.services import Told

EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
ADMIN_TAGS = ["administrator", "impersonator"]
"""Whoever moves messages from queue to queue has to keep the names of those who said them"""


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
        ],
        "permissions": [
            *({"user": ADMIN, "vhost": vhost, **EVERYTHING} for vhost in vhosts),
            *({"user": one.name, "vhost": "/", **rights(one)} for one in services),
        ],
        "topic_permissions": [
            {"user": one.name, "vhost": "/", **right} for one in services for right in topic_rights(one)
        ],
        "parameters": [{"vhost": "/", "component": "vhost-limits", "name": "limits", "value": VHOST_LIMITS}],
        "policies": [{"vhost": "/", "name": name, **policy} for name, policy in limits(services).items()],
    }


def user(password: str) -> dict[str, Any]:
    """A user of a service, in the words of the API."""
    return {"password": password, "tags": []}


def rights(service: Told) -> dict[str, str]:
    """What the user of a service may do."""
    return asdict(permissions(service.declared))


def topic_rights(service: Told) -> Iterable[dict[str, str]]:
    """With which routing keys it may do it, by exchange."""
    return map(asdict, topic_permissions(service.declared))


def limits(services: Sequence[Told]) -> dict[str, dict[str, Any]]:
    """The policies of the queues, by their names."""
    return policies(service.name for service in services)
