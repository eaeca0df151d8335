"""Scaling: a ScaledObject of KEDA for each service, with a trigger for each queue that its processes consume.

What rests or is parked is consumed by nobody, so more processes would not make it less.
"""

from typing import Any

from chassis.choreography.topology import resay_queue
from stack.kubernetes.broker import VHOST
from stack.kubernetes.manifest import NAMESPACE, Manifest, manifest
from stack.kubernetes.secrets import BROKER_CA, SCALER, broker_secret
from stack.kubernetes.told import default
from stack.kubernetes.workloads import MAX_REPLICAS, MIN_REPLICAS
from stack.services import Told

API = "keda.sh/v1alpha1"
FULL_BATCHES = 5
"""How many batches may wait for each process before there is another"""
COUNTS = "rabbitmq"
"""Who counts, to all triggers"""


def of_service(service: Told) -> Manifest:
    """How many processes of a service there are."""
    spec = {
        "scaleTargetRef": {"name": service.name},
        "minReplicaCount": MIN_REPLICAS,
        "maxReplicaCount": MAX_REPLICAS,
        "pollingInterval": 15,
        "cooldownPeriod": 300,
        # While the broker cannot be asked, nobody is sent away.
        "fallback": {"failureThreshold": 3, "replicas": MIN_REPLICAS, "behavior": "currentReplicasIfHigher"},
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": _slowly()}}},
        "triggers": [_trigger(queue) for queue in consumed(service)],
    }
    return manifest(API, "ScaledObject", service.name, spec=spec)


def consumed(service: Told) -> list[str]:
    """The queues that the processes of a service consume."""
    return [*(step.queue for step in service.declared.listening), resay_queue(service.name)]


def authentication() -> Manifest:
    """Who counts messages: a broker user of its own, with the password and the word that turns TLS on in its Secret."""
    keys = [(key, broker_secret(SCALER), key) for key in ("username", "password", "tls")]
    references = [
        {"parameter": parameter, "name": secret, "key": key}
        for parameter, secret, key in [*keys, ("ca", BROKER_CA, "ca.crt")]
    ]
    return manifest(API, "TriggerAuthentication", COUNTS, spec={"secretTargetRef": references})


def _trigger(queue: str) -> dict[str, Any]:
    """Ready messages and those that processes have taken; the name of the host is whole, KEDA lives elsewhere."""
    counted = {
        "host": f"https://rabbitmq.{NAMESPACE}.svc:15671/",
        "protocol": "http",
        "vhostName": VHOST,
        "queueName": queue,
        "mode": "QueueLength",
        "value": str(FULL_BATCHES * int(default("max_batch"))),
    }
    return {"type": "rabbitmq", "name": queue, "metadata": counted, "authenticationRef": {"name": COUNTS}}


def _slowly() -> dict[str, Any]:
    return {"stabilizationWindowSeconds": 300, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}
