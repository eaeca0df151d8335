"""Each manifest has only fields that are documented: by Kubernetes for its own kinds, by its operator for the others.

Nothing here was ever run on a cluster; this is what can be known without one.
"""

import importlib
from functools import cache
from typing import Any

import pytest

from stack.directory import ROOT
from stack.kubernetes.files import BASE
from tests.contract.kustomizing import Manifest, build
from tests.contract.operators import RABBITMQ_PARAMETERS, RABBITMQ_TRIGGER, SPECS, misfits

# By its name, because it has no types.
kubernetes_validate: Any = importlib.import_module("kubernetes_validate")

OLDEST = "1.31"
"""The first release that knows all that is used: what is not ready may be evicted at any time"""
OVERLAYS = {name: build(ROOT / BASE.parent / "overlays" / name) for name in ("development", "production")}
MANIFESTS = [
    pytest.param(manifest, id=f"{name}-{manifest['kind']}-{manifest['metadata']['name']}")
    for name, built in OVERLAYS.items()
    for manifest in built.manifests
    if name == "production" or manifest not in OVERLAYS["production"].manifests
]
# It would read a megabyte of definitions for each manifest.
kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)


def kind_of(manifest: Manifest) -> tuple[str, str]:
    """Version and kind."""
    return manifest["apiVersion"], manifest["kind"]


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_manifest_has_documented_fields_only(manifest: Manifest) -> None:
    """Kubernetes' own kinds fit its schemas, of the oldest release that will do and the newest; others their tables."""
    if shape := SPECS.get(kind_of(manifest)):
        assert list(misfits(manifest["spec"], shape)) == []
        assert manifest.keys() == {"apiVersion", "kind", "metadata", "spec"}
    else:
        for version in (OLDEST, kubernetes_validate.latest_version()):
            kubernetes_validate.validate(manifest, version, strict=True)


def test_triggers_say_what_keda_asks_for() -> None:
    """A trigger has only what is documented for RabbitMQ, and is handed only what it takes."""
    manifests = OVERLAYS["production"].manifests
    triggers = [trigger for one in manifests if one["kind"] == "ScaledObject" for trigger in one["spec"]["triggers"]]
    [handed] = [one["spec"]["secretTargetRef"] for one in manifests if one["kind"] == "TriggerAuthentication"]

    assert [misfit for one in triggers for misfit in misfits(one["metadata"], RABBITMQ_TRIGGER)] == []
    assert {one["parameter"] for one in handed} <= RABBITMQ_PARAMETERS


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_patch_changes_something(overlay: str) -> None:
    """A patch whose target is gone, or which says what is there anyway, is found."""
    assert OVERLAYS[overlay].idle == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_two_manifests_have_one_name(overlay: str) -> None:
    """Of two of one kind and name, one would overwrite the other."""
    names = [(*kind_of(one), one["metadata"]["name"]) for one in OVERLAYS[overlay].manifests]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("wrong", [{"replica": 3}, {"replicas": "3"}, {"replicas": True}])
def test_a_field_that_nobody_documents_is_found(wrong: dict[str, Any]) -> None:
    """The tables refuse a name that is misspelt, and a value of the wrong kind."""
    assert list(misfits(wrong, SPECS["rabbitmq.com/v1beta1", "RabbitmqCluster"])) != []


def test_a_field_that_is_missing_is_found() -> None:
    """The tables know what is required."""
    assert "spec.scaleTargetRef: missing" in misfits({"triggers": []}, SPECS["keda.sh/v1alpha1", "ScaledObject"])
