"""What runs in a container of compose.yaml is no root, and can write only where it has to."""

import re
from typing import Any

import pytest
import yaml

from stack.directory import ROOT

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
STAGES = re.split(r"^FROM .* AS (\w+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
USERS = {
    stage: re.findall(r"^USER (\w+)$", text, re.MULTILINE)
    for stage, text in zip(STAGES[::2], STAGES[1::2], strict=True)
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_does_not_run_as_root(name: str) -> None:
    """Its image names another user, and compose.yaml does not change that."""
    service = SERVICES[name]
    [user] = USERS[service["build"]["target"]]

    assert user != "root"
    assert "user" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_confined(name: str) -> None:
    """Its root file system is read-only, it has no capability and gets none."""
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
