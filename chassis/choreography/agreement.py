"""Agreement: a step believes its own rows before anybody's message."""

from typing import Any

from chassis.errors import ContradictedError
from contracts.event import Event


def agree(heard: Event, row: Any, *fields: str) -> None:
    """Raise ContradictedError when an event and a row of the step differ in one of these fields, which both have."""
    for field in fields:
        if getattr(heard, field) != getattr(row, field):
            raise ContradictedError(f"{heard.name} says another {field} than is known here")
