"""Drift: where a live broker differs from what the steps declare."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from chassis.addresses import each_of
from chassis.choreography.graph import Choreography
from chassis.choreography.rights import USER_LIMITS, VHOST_LIMITS, permissions, topic_permissions
from chassis.choreography.topology import news_key, policies, topology
from chassis.documents.members import Cluster, cluster

_POLICY = ("pattern", "apply-to", "priority", "definition")
_RIGHTS = ("permissions", "topic permissions", "tags")
"""Of these, people have some of their own; a service has no more than it should"""
_PEOPLES = (*_RIGHTS, "limits", "policy")
"""Of these, people have some of their own"""
OBSERVERS = "window."
"""How the queues begin of whoever listens to all services and takes no part"""
NODE_SECONDS = 3
"""For one of several hosts to answer"""
Inventory = dict[str, dict[str, Any]]
"""What a broker holds: for each kind of thing, its names and what is to be known of each."""


def declared(graph: Choreography) -> Inventory:
    """Exchanges, queues, bindings, permissions and policies as they should be."""
    parts = [topology(service) for service in graph.services]
    names = [service.name for service in graph.services]
    bindings = [binding for part in parts for binding in part.bindings]
    return {
        "exchange": {one.name: {"type": "topic", "durable": True} for part in parts for one in part.exchanges},
        "queue": {one.name: {"durable": True, "arguments": one.arguments} for part in parts for one in part.queues},
        "binding": {_binding(one.exchange, one.routing_key, one.queue): {} for one in sorted(bindings)},
        "permissions": {service.name: vars(permissions(service)) for service in graph.services},
        "topic permissions": {
            f"{service.name} at {right.exchange}": {"write": right.write, "read": right.read}
            for service in graph.services
            for right in topic_permissions(service)
        },
        "tags": {name: [] for name in names},
        "limits": {**{f"user {name}": USER_LIMITS for name in names}, "virtual host": VHOST_LIMITS},
        "policy": policies(names),
    }


def shared(management_url: str, vhost: str = "/") -> Cluster:
    """How the nodes of the broker share its queues, as its management API says; raises httpx2.HTTPError."""
    with _asking(management_url) as client:
        queues = client.get(f"/api/queues/{vhost.replace('/', '%2F')}").raise_for_status().json()
        return cluster(_all(client, "nodes"), queues)


def live(management_url: str, vhost: str = "/") -> Inventory:
    """What the broker's management API says, on the first host that answers; raises httpx2.HTTPError if none does."""
    with _asking(management_url) as client:

        def ask(what: str) -> Any:
            return client.get(f"/api/{what}/{vhost.replace('/', '%2F')}").raise_for_status().json()

        return {
            "exchange": {one["name"]: {"type": one["type"], "durable": one["durable"]} for one in ask("exchanges")},
            "queue": {
                one["name"]: {"durable": one["durable"], "arguments": one["arguments"]}
                for one in ask("queues")
                if not _is_private(one["name"])
            },
            "binding": {
                _binding(one["source"], one["routing_key"], one["destination"]): {}
                for one in ask("bindings")
                if one["source"] and not _is_private(one["destination"])
            },
            "permissions": {
                f"{one['user']}{_elsewhere(one, vhost)}": _patterns(one) for one in _all(client, "permissions")
            },
            "topic permissions": {
                f"{one['user']} at {one['exchange']}{_elsewhere(one, vhost)}": {
                    "write": one["write"],
                    "read": one["read"],
                }
                for one in _all(client, "topic-permissions")
            },
            "tags": {one["name"]: _listed(one["tags"]) for one in _all(client, "users")},
            "limits": {
                **{f"user {one['user']}": one["value"] for one in _all(client, "user-limits")},
                "virtual host": next((one["value"] for one in _in(vhost, client, "vhost-limits")), {}),
            },
            "policy": {one["name"]: {key: one[key] for key in _POLICY} for one in ask("policies")},
        }


@contextmanager
def _asking(management_url: str) -> Iterator[httpx2.Client]:
    """A client of the first host of an address that answers, which is the last one where none does."""
    *others, last = each_of(management_url)
    chosen = next((url for url in others if _answers(url)), last)
    with httpx2.Client(base_url=chosen, timeout=10) as client:
        yield client


def _answers(management_url: str) -> bool:
    try:
        with httpx2.Client(base_url=management_url, timeout=NODE_SECONDS) as client:
            client.get("/api/overview")
    except httpx2.TransportError:
        return False
    return True


def _is_private(queue: str) -> bool:
    """Whether a queue is nothing that steps declare: it goes with one process, or belongs to who only listens."""
    service, _, _ = queue.partition(".")
    return queue.startswith((f"{news_key(service)}.", OBSERVERS))


def compare(wanted: Inventory, found: Inventory) -> list[str]:
    """What is missing, extra or different, a sentence each; empty when nothing has drifted."""
    lines = [line for kind in wanted for line in _compare(kind, wanted[kind], found[kind])]
    rights = [kind for kind in _RIGHTS if kind in wanted]
    extra = [(kind, name) for kind in rights for name in found[kind] if name not in wanted[kind]]
    return [*lines, *(f"extra {kind}: {name}" for kind, name in extra if name.partition(" ")[0] in wanted["tags"])]


def _compare(kind: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"missing {kind}: {name}" for name in wanted if name not in found)
    if kind not in _PEOPLES:
        yield from (f"extra {kind}: {name}" for name in found if name not in wanted and not _is_brokers(kind, name))
    for name, value in wanted.items():
        if name in found and found[name] != value:
            yield f"different {kind}: {name} is {found[name]}, should be {value}"


def _is_brokers(kind: str, name: str) -> bool:
    """Whether something belongs to the broker itself or goes with a connection."""
    return "→ amq." in name if kind == "binding" else not name or name.startswith("amq.")


def _all(client: httpx2.Client, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/api/{what}").raise_for_status().json()
    return found


def _in(vhost: str, client: httpx2.Client, what: str) -> list[dict[str, Any]]:
    return [one for one in _all(client, what) if one["vhost"] == vhost]


def _elsewhere(permission: Mapping[str, Any], vhost: str) -> str:
    """The virtual host of a permission, where it is another one."""
    return "" if permission["vhost"] == vhost else f" in virtual host {permission['vhost']}"


def _listed(tags: str | list[str]) -> list[str]:
    """Tags, which older brokers put in one line."""
    return tags if isinstance(tags, list) else [tag for tag in tags.split(",") if tag]


def _patterns(permission: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: permission[kind] for kind in ("configure", "write", "read")}


def _binding(exchange: str, routing_key: str, queue: str) -> str:
    return f"{exchange} —{routing_key}→ {queue}"
