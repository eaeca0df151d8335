"""Awaiting: which events a service waits for in a saga, told from the published choreography."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

PUBLISHED = Path("contracts/published/choreography.json")


def awaited(service: str, said: Iterable[str]) -> list[str]:
    """The events that the service may hear next, after it has said one of `said`.

    They are found by following the events through the steps of the other services.
    """
    steps = [step for saga in _published()["sagas"].values() for step in (*saga["out"], *saga["back"])]
    waiting, seen, found = list(said), set[str](), []
    while waiting:
        event = waiting.pop(0)
        for step in steps:
            if event in step["hears"] and step["step"].startswith(f"{service}."):
                found.append(event)
            elif event in step["hears"] and step["step"] not in seen:
                seen.add(step["step"])
                waiting.extend(step["says"])
    return sorted(set(found))


@cache
def _published(path: Path = PUBLISHED) -> dict[str, Any]:
    """The choreography of all services, as the code that runs was published with."""
    choreography: dict[str, Any] = json.loads(path.read_text())
    return choreography
