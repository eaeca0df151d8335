"""Watching: where Prometheus finds the processes, and with which token."""

from stack.kubernetes.manifest import COMPONENT, OBSERVER, PART_OF, SERVICE, Manifest, manifest
from stack.kubernetes.secrets import MONITOR

LABEL = "service"
"""As the alerts call it"""
JOB = "concert-seats"


def monitor() -> Manifest:
    """All services and the window, under the names that deploy/prometheus/alerts.yml knows."""
    endpoint = {
        "port": "http",
        "path": "/metrics",
        "interval": "15s",
        "scrapeTimeout": "10s",
        "authorization": {"type": "Bearer", "credentials": {"name": MONITOR, "key": "token"}},
        "relabelings": [
            {"sourceLabels": ["__meta_kubernetes_pod_label_app_kubernetes_io_name"], "targetLabel": LABEL},
            {"targetLabel": "job", "replacement": JOB},
        ],
    }
    spec = {
        "selector": {
            "matchLabels": {"app.kubernetes.io/part-of": PART_OF},
            "matchExpressions": [{"key": COMPONENT, "operator": "In", "values": [SERVICE, OBSERVER]}],
        },
        "podMetricsEndpoints": [endpoint],
    }
    return manifest("monitoring.coreos.com/v1", "PodMonitor", JOB, spec=spec)
