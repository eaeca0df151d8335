"""Where every process of a service is, for Prometheus to find: it asks each of them, past the balancer."""

import json
from collections.abc import Mapping, Sequence

from stack.directory import Directory, write_private


def write_targets(directory: Directory, ports: Mapping[str, Sequence[int]]) -> None:
    """Write the ports of the processes of each service, in the form of Prometheus' `file_sd_configs`."""
    groups = [
        {"targets": [f"127.0.0.1:{port}" for port in found], "labels": {"service": service}}
        for service, found in ports.items()
    ]
    write_private(directory.path / "targets.json", json.dumps(groups, indent=2))
