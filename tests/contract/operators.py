"""What operators document of their kinds: the fields that manifests here may use, and no others.

Written down by hand from the API references of the Cluster Operator (rabbitmq.com/kubernetes/operator), the Messaging
Topology Operator (docs/api/rabbitmq.com.ref.asciidoc of its repository), CloudNativePG (cloudnative-pg.v1), KEDA
(keda.sh, "ScaledObject specification", "RabbitMQ Queue", "Authentication") and the Prometheus Operator (api.md), as of
August 2026. A field that ends in `!` is required.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Shape = Any
"""A class, a set of words, a list with the shape of its members, a dictionary of fields, or a mapping of any names"""


@dataclass(frozen=True)
class Mapped:
    """Any names, each with something of this shape."""

    to: Shape


_KUBERNETES = Mapped(object)
"""What Kubernetes itself documents, in a field of an operator"""
_NAMED = {"name!": str}
_KEYED = {"name!": str, "key!": str}
_CLUSTER = {"name": str, "namespace": str, "connectionSecret": _NAMED}
_STORAGE = {"size": str, "storageClass": str, "resizeInUseVolumes": bool, "pvcTemplate": _KUBERNETES}
_RESOURCES = {"requests": Mapped(str), "limits": Mapped(str)}
_QUEUES = {"queues", "classic_queues", "quorum_queues", "streams", "exchanges", "all"}
_DECLARED = {
    "rabbitmqClusterReference!": _CLUSTER,
    "name!": str,
    "vhost": str,
    "type": str,
    "durable": bool,
    "autoDelete": bool,
    "arguments": Mapped(object),
}
"""What an exchange and a queue say alike"""
_RULES = {"configure": str, "write": str, "read": str}
_SPREAD = {
    "maxSkew!": int,
    "topologyKey!": str,
    "whenUnsatisfiable!": {"DoNotSchedule", "ScheduleAnyway"},
    "labelSelector": _KUBERNETES,
}
_ROLE = {
    "name!": str,
    "comment": str,
    "ensure": {"present", "absent"},
    "passwordSecret": _NAMED,
    "connectionLimit": int,
    "validUntil": str,
    "inRoles": [str],
    **dict.fromkeys(("login", "superuser", "createdb", "createrole", "inherit", "replication", "bypassrls"), bool),
}
_INITDB = {
    "database": str,
    "owner": str,
    "secret": _NAMED,
    "encoding": str,
    "localeCollate": str,
    "localeCType": str,
    "dataChecksums": bool,
    "postInitSQL": [str],
    "postInitTemplateSQL": [str],
    "postInitApplicationSQL": [str],
}
_TRIGGER = {
    "type!": str,
    "name": str,
    "metadata!": Mapped(str),
    "authenticationRef": {"name!": str, "kind": {"TriggerAuthentication", "ClusterTriggerAuthentication"}},
    "metricType": {"AverageValue", "Value", "Utilization"},
}
_RELABELING = {"sourceLabels": [str], "targetLabel": str, "replacement": str, "regex": str, "action": str}

SPECS: dict[tuple[str, str], Shape] = {
    ("rabbitmq.com/v1beta1", "RabbitmqCluster"): {
        "replicas": int,
        "image": str,
        "persistence": {"storage": str, "storageClassName": str},
        "resources": _RESOURCES,
        "affinity": _KUBERNETES,
        "rabbitmq": {"additionalConfig": str, "advancedConfig": str, "envConfig": str, "additionalPlugins": [str]},
        "tls": {"secretName": str, "caSecretName": str, "disableNonTLSListeners": bool},
    },
    ("rabbitmq.com/v1beta1", "Vhost"): {
        "name!": str,
        "rabbitmqClusterReference!": _CLUSTER,
        "deletionPolicy": {"delete", "retain"},
        "limits": {"connections": int, "queues": int},
    },
    ("rabbitmq.com/v1beta1", "User"): {
        "rabbitmqClusterReference!": _CLUSTER,
        "importCredentialsSecret": _NAMED,
        # The operator does not know the tag `impersonator`.
        "tags": [{"management", "policymaker", "monitoring", "administrator"}],
        "limits": {"connections": int, "channels": int},
    },
    ("rabbitmq.com/v1beta1", "Permission"): {
        "rabbitmqClusterReference!": _CLUSTER,
        "vhost!": str,
        "user": str,
        "userReference": _NAMED,
        "permissions!": _RULES,
    },
    ("rabbitmq.com/v1beta1", "TopicPermission"): {
        "rabbitmqClusterReference!": _CLUSTER,
        "vhost!": str,
        "user": str,
        "userReference": _NAMED,
        "permissions!": {"exchange!": str, "write": str, "read": str},
    },
    ("rabbitmq.com/v1beta1", "Policy"): {
        "rabbitmqClusterReference!": _CLUSTER,
        "name!": str,
        "vhost": str,
        "pattern!": str,
        "applyTo": _QUEUES,
        "priority": int,
        "definition!": Mapped(object),
    },
    ("rabbitmq.com/v1beta1", "Exchange"): _DECLARED,
    ("rabbitmq.com/v1beta1", "Queue"): _DECLARED,
    ("rabbitmq.com/v1beta1", "Binding"): {
        "rabbitmqClusterReference!": _CLUSTER,
        "vhost": str,
        "source": str,
        "destination": str,
        "destinationType": {"exchange", "queue"},
        "routingKey": str,
        "arguments": Mapped(object),
    },
    ("postgresql.cnpg.io/v1", "Cluster"): {
        "instances!": int,
        "imageName": str,
        "primaryUpdateStrategy": {"unsupervised", "supervised"},
        "primaryUpdateMethod": {"switchover", "restart"},
        "enableSuperuserAccess": bool,
        "bootstrap": {"initdb": _INITDB},
        "managed": {"roles": [_ROLE]},
        "postgresql": {
            "parameters": Mapped(str),
            "pg_hba": [str],
            "synchronous": {"method!": {"any", "first"}, "number!": int, "dataDurability": {"required", "preferred"}},
        },
        "storage": _STORAGE,
        "walStorage": _STORAGE,
        "resources": _RESOURCES,
        "affinity": {
            "enablePodAntiAffinity": bool,
            "podAntiAffinityType": {"preferred", "required"},
            "topologyKey": str,
        },
        "topologySpreadConstraints": [_SPREAD],
    },
    ("keda.sh/v1alpha1", "ScaledObject"): {
        "scaleTargetRef!": {"name!": str, "kind": str, "apiVersion": str, "envSourceContainerName": str},
        "minReplicaCount": int,
        "maxReplicaCount": int,
        "pollingInterval": int,
        "cooldownPeriod": int,
        "fallback": {
            "failureThreshold!": int,
            "replicas!": int,
            "behavior": {"static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"},
        },
        "advanced": {"horizontalPodAutoscalerConfig": {"name": str, "behavior": _KUBERNETES}},
        "triggers!": [_TRIGGER],
    },
    ("keda.sh/v1alpha1", "TriggerAuthentication"): {"secretTargetRef": [{"parameter!": str, **_KEYED}]},
    ("monitoring.coreos.com/v1", "PodMonitor"): {
        "selector!": _KUBERNETES,
        "podMetricsEndpoints": [
            {
                "port": str,
                "path": str,
                "interval": str,
                "scrapeTimeout": str,
                "authorization": {"type": str, "credentials": _KEYED},
                "relabelings": [_RELABELING],
            }
        ],
    },
}
"""The fields of `spec`, by version and kind"""

RABBITMQ_TRIGGER = {
    "host": str,
    "protocol": {"auto", "http", "amqp"},
    "vhostName": str,
    "queueName!": str,
    "mode!": {"QueueLength", "MessageRate"},
    "value!": str,
    "activationValue": str,
    "excludeUnacknowledged": {"true", "false"},
}
RABBITMQ_PARAMETERS = {"host", "username", "password", "tls", "ca", "cert", "key", "vhostName"}
"""What a TriggerAuthentication may hand to a trigger of RabbitMQ"""


def misfits(value: Any, shape: Shape, where: str = "spec") -> Iterator[str]:
    """Where a value is not of the shape that is documented; nothing when it is."""
    if isinstance(shape, dict):
        yield from _of_fields(value, shape, where) if isinstance(value, dict) else [f"{where}: no fields"]
    elif isinstance(shape, Mapped):
        for name, one in value.items():
            yield from misfits(one, shape.to, f"{where}.{name}")
    elif isinstance(shape, list):
        for number, one in enumerate(value):
            yield from misfits(one, shape[0], f"{where}[{number}]")
    elif isinstance(shape, set):
        yield from [] if value in shape else [f"{where}: {value} is none of {sorted(shape)}"]
    elif not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
        yield f"{where}: {value!r} is no {shape.__name__}"


def _of_fields(value: dict[str, Any], shape: dict[str, Shape], where: str) -> Iterator[str]:
    fields = {name.removesuffix("!"): one for name, one in shape.items()}
    required = {name.removesuffix("!") for name in shape if name.endswith("!")}
    yield from (f"{where}.{name}: missing" for name in required - value.keys())
    for name, one in value.items():
        yield from misfits(one, fields[name], f"{where}.{name}") if name in fields else [f"{where}.{name}: unknown"]
