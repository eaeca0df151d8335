"""Bodies: the fields of an event by their published names, whatever a body says."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

DEADLINE = "deadline"
"""The field with the moment after which nobody acts"""
REASON = "reason"
"""The field with the word for why something was refused or undone"""


@lru_cache(256)  # the body of an event is asked for its deadline, its amounts, its seats, and what it mentions
def fields(body: str) -> Mapping[str, Any]:
    """The fields of a body; none where it is no JSON object."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def text(values: Mapping[str, Any], name: str) -> str | None:
    """A field that is a text."""
    found = values.get(name)
    return found if isinstance(found, str) else None


def moment(values: Mapping[str, Any], name: str) -> datetime | None:
    """A field that is a moment with its zone."""
    try:
        found = datetime.fromisoformat(text(values, name) or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


def amount(values: Mapping[str, Any], name: str) -> int:
    """A field that is a whole number of zero or more; zero where it is none."""
    found = values.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else 0


def numbers(values: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """A field that is a list of whole numbers, in order; whatever else is in it is left out."""
    found = values.get(name)
    whole = (one for one in found if type(one) is int) if isinstance(found, list) else ()
    return tuple(sorted(set(whole)))


def identity(values: Mapping[str, Any], name: str) -> UUID | None:
    """A field that is an id."""
    try:
        return UUID(text(values, name) or "")
    except ValueError:
        return None
