"""Pods: one container each, confined, with probes that mean what they say and time to end in order."""

import math
from typing import Any

from chassis.web.health import CHECK_TIMEOUT
from chassis.web.serve import GRACE_SECONDS
from stack.kubernetes.manifest import COMPONENT, IMAGE, NAME, PORT
from stack.kubernetes.told import Environment, default

USER = 10_001
"""As the Dockerfile makes it"""
UNLISTED_SECONDS = 5
"""How long a pod that is to end goes on as before, until no gateway sends to it any more"""
MARGIN_SECONDS = 5
RESOURCES = {
    "requests": {"cpu": "500m", "memory": "256Mi"},
    # One process uses one core; a limit would only have it pause. The alert HighMemory comes before the limit.
    "limits": {"memory": "1536Mi"},
}


def grace_seconds() -> int:
    """How long an orderly end takes at most: unlisted, the requests under way answered, drained."""
    return UNLISTED_SECONDS + GRACE_SECONDS + math.ceil(float(default("shutdown_seconds"))) + MARGIN_SECONDS


def serving(command: list[str], environment: Environment, labels: dict[str, str]) -> dict[str, Any]:
    """The pod of a process that serves until it is told to end."""
    lifecycle = {"preStop": {"sleep": {"seconds": UNLISTED_SECONDS}}}
    more = {"ports": [{"name": "http", "containerPort": PORT}], **_probes(), "lifecycle": lifecycle}
    spec = _spec(labels[NAME], _container("process", command, environment) | more, environment)
    return spec | {"terminationGracePeriodSeconds": grace_seconds(), "topologySpreadConstraints": _spread(labels)}


def ending(command: list[str], environment: Environment, account: str) -> dict[str, Any]:
    """The pod of a process that ends by itself."""
    return _spec(account, _container("process", command, environment), environment) | {"restartPolicy": "OnFailure"}


def _spec(account: str, container: dict[str, Any], environment: Environment) -> dict[str, Any]:
    scratch = {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        # Of a Service called `point`, Kubernetes would make a variable POINT_PORT, which is a setting of ours.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [scratch, *(mount.volume for mount in environment.mounts)],
    }


def _container(name: str, command: list[str], environment: Environment) -> dict[str, Any]:
    return {
        "name": name,
        "image": IMAGE,
        "args": command,
        "env": environment.variables,
        "resources": RESOURCES,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *(mount.mount for mount in environment.mounts)],  # noqa: S108  # of the pod
    }


def _probes() -> dict[str, Any]:
    """Started and alive: the process answers. Ready: nothing that can be seen from there keeps it from its part.

    What a restart would not mend (no broker, no database, an older revision) makes a pod unready, and never dead.
    """
    alive = {"httpGet": {"path": "/livez", "port": "http"}}
    ready = {"httpGet": {"path": "/readyz", "port": "http"}}
    return {
        "startupProbe": alive | {"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 60},
        "livenessProbe": alive | {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3},
        # The process itself gives up asking its database after CHECK_TIMEOUT, and then says so.
        "readinessProbe": ready | {"periodSeconds": 5, "timeoutSeconds": CHECK_TIMEOUT + 1, "failureThreshold": 2},
    }


def _spread(labels: dict[str, str]) -> list[dict[str, Any]]:
    """Never two on one host while another has none; over zones as far as that can be."""
    found = {"matchLabels": {key: labels[key] for key in (NAME, COMPONENT)}}
    over = {"zone": "ScheduleAnyway", "host": "DoNotSchedule"}
    keys = {"zone": "topology.kubernetes.io/zone", "host": "kubernetes.io/hostname"}
    return [
        {
            "maxSkew": 1,
            "topologyKey": keys[place],
            "whenUnsatisfiable": unless,
            "nodeTaintsPolicy": "Honor",
            "labelSelector": found,
            # Each revision by itself, or the old pods would decide where the new ones may be.
            "matchLabelKeys": ["pod-template-hash"],
        }
        for place, unless in over.items()
    ]
