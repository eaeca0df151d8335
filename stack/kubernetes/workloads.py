"""Workloads: the processes of a service or of the window, how they are reached, and what comes before them."""

from stack.kubernetes import pods
from stack.kubernetes.manifest import MIGRATION, OBSERVER, PART_OF, PORT, Manifest, labels_of, manifest
from stack.kubernetes.told import Environment, of_migration

MIN_REPLICAS, MAX_REPLICAS = 2, 8
SURGE = 1
"""How many more processes of a service there are while it is upgraded, one at a time"""
KEEP_SECONDS = 24 * 3600
"""How long a migration that has ended can be looked at"""


def of_process(name: str, component: str, command: list[str], environment: Environment) -> list[Manifest]:
    """The account, address, processes and budget of a service or of the window."""
    labels = labels_of(name, component)
    port = {"name": "http", "port": PORT, "targetPort": "http"}
    return [
        manifest("v1", "ServiceAccount", name, labels=labels, automountServiceAccountToken=False),
        manifest("v1", "Service", name, labels=labels, spec={"selector": labels, "ports": [port]}),
        manifest("policy/v1", "PodDisruptionBudget", name, labels=labels, spec=_budget(labels)),
        _deployment(name, component, command, environment),
    ]


def migration(name: str, command: list[str], process: Environment) -> Manifest:
    """The Job that brings a database up to date, as its owner.

    Nothing waits for it but the processes themselves: one whose database is of an older revision takes no part.
    """
    labels = labels_of(name, MIGRATION)
    pod = pods.ending(command, of_migration(name, process), name)
    spec = {
        "backoffLimit": 6,
        "ttlSecondsAfterFinished": KEEP_SECONDS,
        "template": {"metadata": {"labels": _part_of(labels)}, "spec": pod},
    }
    return manifest("batch/v1", "Job", f"{name}-migrate", labels=labels, spec=spec)


def _deployment(name: str, component: str, command: list[str], environment: Environment) -> Manifest:
    labels = labels_of(name, component)
    one_by_one = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": SURGE, "maxUnavailable": 0}}
    # How many processes of a service there are, its ScaledObject decides; of the window there is one.
    scale = {"strategy": one_by_one} if component != OBSERVER else {"replicas": 1, "strategy": {"type": "Recreate"}}
    spec = {
        **scale,
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": _part_of(labels)},
            "spec": pods.serving(command, environment, labels),
        },
    }
    return manifest("apps/v1", "Deployment", name, labels=labels, spec=spec)


def _part_of(labels: dict[str, str]) -> dict[str, str]:
    return {"app.kubernetes.io/part-of": PART_OF, **labels}


def _budget(labels: dict[str, str]) -> Manifest:
    # Not `minAvailable`, which would keep the one window from ever being moved. What is not ready counts for nothing.
    return {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": labels},
    }
