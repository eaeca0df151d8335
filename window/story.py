"""Story: what has become of one saga, as far as its messages tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from window.message import Message


class Way(StrEnum):
    """Which way a saga goes."""

    OUT = "out"
    BACK = "back"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A step that failed with a message."""

    at: datetime
    step: str
    event_id: UUID
    number: int
    delay: str | None
    """What it rests for before the next attempt; None when it was parked"""
    error: str


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of the saga, in its place."""

    message: Message
    step: str | None
    """The step that said it, as far as the choreography tells"""
    way: Way
    is_refusal: bool
    is_end: bool
    cause: int | None
    """The happening that caused it, by its index"""
    undoes: int | None
    """The happening that it undoes, by its index"""
    attempts: tuple[Attempt, ...]
    """What failed before it came about"""
    copies: int
    """How often it was said"""
    reverses: str | None = None
    """The step of another saga that it takes back, such as the sale that a refund takes back"""


@dataclass(frozen=True, slots=True)
class Wait:
    """An event that a step has to answer and has not yet."""

    step: str
    event: str
    event_id: UUID
    since: datetime
    attempts: tuple[Attempt, ...]
    is_parked: bool


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something that should not be."""

    kind: str
    """`after-end`, `unseen-cause`, `two-ends`, `undone-undone` …: short, stable, for search and metrics"""
    text: str
    event_id: UUID | None


@dataclass(frozen=True, slots=True)
class Story:
    """The whole of a saga."""

    saga_id: UUID
    saga: str
    """Which choreography: `checkout`, `reservation` …, or `?`"""
    way: Way
    outcome: str | None
    """What the resource became at the end, such as `completed`"""
    reason: str | None
    """Why it was refused, or else why it was wanted"""
    begun_at: datetime
    last_at: datetime
    ended_at: datetime | None
    deadline: datetime | None
    is_late: bool
    happenings: Sequence[Happening]
    waits: Sequence[Wait]
    oddities: Sequence[Oddity]
