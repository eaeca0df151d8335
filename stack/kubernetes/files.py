"""Files: which manifest is in which file. What belongs to one service is in the file of its name."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from stack.kubernetes import broker, database, network, scaling, told, watching, workloads
from stack.kubernetes.manifest import HEAD, NAMESPACE, OBSERVER, SERVICE, Manifest, written
from stack.services import WINDOW, Told

BASE = Path("deploy/kubernetes/base")


def files(services: Sequence[Told]) -> dict[Path, str]:
    """The text of every file of the base, by its path from the root."""
    parts = {
        "namespace": [namespace()],
        "network": [*network.for_all(), network.of_broker(services)],
        "broker": [*broker.cluster(), broker.virtual_host()],
        **{service.name: of_service(service) for service in services},
        WINDOW: of_window(services),
        "scaling": [*broker.of_scaler(), scaling.authentication()],
        "watching": [watching.monitor()],
    }
    texts = {BASE / f"{name}.yaml": written(manifests) for name, manifests in parts.items()}
    return texts | {BASE / "kustomization.yaml": _list(texts)}


def namespace() -> Manifest:
    """The namespace of all of it, where no pod of ours may be other than confined."""
    mode = "pod-security.kubernetes.io"
    labels = {f"{mode}/enforce": "baseline", f"{mode}/warn": "restricted", f"{mode}/audit": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def of_service(service: Told) -> list[Manifest]:
    """Everything that there is because there is this service."""
    environment = told.of_service(service)
    return [
        *workloads.of_process(service.name, SERVICE, [f"{service.package}.main"], environment),
        workloads.migration(service.name, ["chassis", "migrate", service.name], environment),
        scaling.of_service(service),
        database.of_service(service.name),
        *broker.of_service(service),
        *network.of_service(service),
    ]


def of_window(services: Sequence[Told]) -> list[Manifest]:
    """Everything that there is because there is a window."""
    environment = told.of_window(services)
    return [
        *workloads.of_process(WINDOW, OBSERVER, ["window"], environment),
        workloads.migration(WINDOW, ["window", "migrate"], environment),
        database.of_service(WINDOW, replicas=1),
        *broker.of_window(services),
        *network.of_window(services),
    ]


def _list(texts: dict[Path, str]) -> str:
    listed = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [path.name for path in texts],
    }
    return HEAD + yaml.safe_dump(listed, sort_keys=False)
