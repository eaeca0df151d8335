"""Kustomizing: the overlays of deploy/kubernetes as `kubectl kustomize` would build them.

Only what they use is understood: resources, images, and JSON patches with a target. Anything else is refused.
"""

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
KNOWN = {"apiVersion", "kind", "resources", "images", "patches"}


@dataclass
class Built:
    """What an overlay comes to, and which of its patches changed nothing."""

    manifests: list[Manifest]
    idle: list[str] = field(default_factory=list)


def build(folder: Path) -> Built:
    """Build a folder with a kustomization; raises ValueError for what is not understood."""
    wanted = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := wanted.keys() - KNOWN:
        raise ValueError(f"{folder} uses {sorted(unknown)}")
    built = Built([])
    for resource in wanted["resources"]:
        path = folder / resource
        built.manifests += build(path).manifests if path.is_dir() else read(path)
    for patch in wanted.get("patches", []):
        _patch(built, patch)
    for image in wanted.get("images", []):
        for container in (one for manifest in built.manifests for one in containers(manifest)):
            if container["image"] == image["name"]:
                container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
    return built


def read(path: Path) -> list[Manifest]:
    """The manifests in a file."""
    return list(yaml.safe_load_all(path.read_text()))


def containers(manifest: Manifest) -> list[Manifest]:
    """The containers of what makes pods."""
    if manifest["kind"] not in ("Deployment", "Job"):
        return []
    found: list[Manifest] = manifest["spec"]["template"]["spec"]["containers"]
    return found


def _patch(built: Built, patch: Manifest) -> None:
    if unknown := patch.keys() - {"target", "patch"}:
        raise ValueError(f"a patch uses {sorted(unknown)}")
    meant = [manifest for manifest in built.manifests if _is_meant(manifest, patch["target"])]
    if not meant:
        built.idle.append(str(patch["target"]))
    for manifest in meant:
        before = copy.deepcopy(manifest)
        for operation in yaml.safe_load(patch["patch"]):
            _apply(manifest, **operation)
        if manifest == before:
            built.idle.append(f"{patch['target']} at {manifest['metadata']['name']}")


def _is_meant(manifest: Manifest, target: Manifest) -> bool:
    group, _, version = manifest["apiVersion"].rpartition("/")
    labels = manifest["metadata"].get("labels", {})
    key, _, value = target.get("labelSelector", "").partition("=")
    found = {"group": group, "version": version, "kind": manifest["kind"], "name": manifest["metadata"]["name"]}
    return (not key or labels.get(key) == value) and all(
        found[name] == wanted for name, wanted in target.items() if name != "labelSelector"
    )


def _apply(manifest: Manifest, op: str, path: str, value: Any = None) -> None:
    """One operation of RFC 6902; what is replaced or removed has to be there."""
    *way, last = path.strip("/").split("/")
    place: Any = manifest
    for name in way:
        place = place[int(name) if isinstance(place, list) else name]
    if op not in ("replace", "remove") or last not in place:
        raise ValueError(f"{op} {path} at {manifest['metadata']['name']}")
    if op == "remove":
        del place[last]
    else:
        place[last] = value
