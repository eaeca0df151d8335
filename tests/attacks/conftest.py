"""The attacks have a system of their own: what they leave behind is in nobody's way."""

from pathlib import Path

import pytest

from tests.end_to_end.conftest import (
    STACK_SECONDS,
    broker,
    catalogue,
    environment,
    fan,
    hold,
    invariants,
    observer,
    operator,
    system,
)

__all__ = [
    "broker",
    "catalogue",
    "environment",
    "fan",
    "hold",
    "invariants",
    "observer",
    "operator",
    "system",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test brings the stack up."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(STACK_SECONDS))
