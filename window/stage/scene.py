"""Scene: what the page shows, made of what the stage and the archive say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

STATES: Mapping[str, tuple[str, str]] = {
    "available": ("", "available"),
    "yours": ("◆", "held by you"),
    "held": ("…", "held by somebody else"),
    "bought": ("✓", "bought by you"),
    "sold": ("■", "sold"),
    "withdrawn": ("/", "withdrawn"),
}
"""What marks a seat, so that its colour alone need not tell, and what that means"""


@dataclass(frozen=True)
class Seat:
    """A seat of the map."""

    seat_id: int
    number: str
    state: str
    mark: str
    words: str
    until: str
    """When the fan's hold ends; empty without one"""


@dataclass(frozen=True)
class Scene:
    """One fan, some seats, and what is broken; without seats where the stage does not say."""

    fan: str
    date_id: int
    page: int
    now: str
    view: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[tuple[str, Sequence[Seat]]] = ()
    invariants: Sequence[Mapping[str, Any]] = ()
    saga: Mapping[str, Any] | None = None
    timeline: Mapping[str, Any] = field(default_factory=dict)
    """What `parts/timeline.html` wants; nothing before the window has heard of the saga"""
    trouble: str = ""


def rows(seats: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Seat]]]:
    """The seats by the rows that their labels name."""
    grouped = groupby(seats, key=lambda seat: str(seat["label"]).rpartition("-")[0])
    return [(row, [_seat(seat) for seat in those]) for row, those in grouped]


def _seat(seat: Mapping[str, Any]) -> Seat:
    row, _, number = str(seat["label"]).rpartition("-")
    mark, meaning = STATES[seat["state"]]
    words = f"Row {row}, seat {number}, {seat['price']:,} points, {meaning}"
    return Seat(seat["seat_id"], number, seat["state"], mark, words, seat["until"] or "")


def steady(view: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What the stage has said, and which payments are paid and not given back.

    It has moments where the stage counts seconds, so that it stays the same while they pass.
    """
    processes = [one | {"until": _until(one["seconds"], now)} for one in view["processes"]]
    paid = [one["payment_id"] for one in view["holds"] if one["payment"] == "paid"]
    return {**view, "processes": processes, "paid": paid}


def _until(seconds: float | None, now: datetime) -> str:
    # Quantized: half seconds would have the page change with each look.
    return (now + timedelta(seconds=round(seconds))).replace(microsecond=0).isoformat() if seconds else ""


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)
