"""Looks: what pages and tools ask of the archive and of the broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from window.message import Message
from window.story import Story, Way


@dataclass(frozen=True, slots=True)
class Summary:
    """A saga on one line."""

    saga_id: UUID
    saga: str
    way: Way
    outcome: str | None
    reason: str | None
    begun_at: datetime
    last_at: datetime
    ended_at: datetime | None
    last_event: str
    events: int
    retries: int
    parked: int
    is_late: bool
    oddities: int
    key: int
    """Pages go on from here: `after=KEY`"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which sagas are wanted; an empty one means all."""

    text: str = ""
    """A saga, payment, checkout, user, seat or reason"""
    state: str = ""
    """`out`, `back`, `ended`, an outcome (`completed`, `failed` …), `late`, `odd`, `parked` or `retrying`"""
    saga: str = ""
    user: str = ""
    """A user, and nothing else that is called so"""


@dataclass(frozen=True, slots=True)
class StepNumbers:
    """What is known of a step now."""

    rate: float
    """Answers in a second, over the last minute"""
    backlog: int | None
    """Messages in its queue; None when the broker does not tell"""
    consumers: int | None
    retrying: int
    parked: int
    milliseconds: float | None
    """From what it heard to what it said, in the median of the last minutes"""


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of the last hour."""

    at: datetime
    begun: int
    completed: int
    failed: int
    milliseconds: float | None
    """From start to end, in the median of the sagas that ended in it"""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which the window has not seen everything."""

    number: int
    since: datetime
    until: datetime
    lost: int | None
    """How many messages overflowed, if that is known"""
    filled_at: datetime | None
    """When all services were asked to say again what they said in it"""
    filled_by: str | None = None
    """The operator who asked"""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule of conservation, and whether what was seen keeps it."""

    rule: str
    holds: bool
    text: str
    sagas: Sequence[UUID]
    """Up to ten that break it"""


@dataclass(frozen=True, slots=True)
class PutAside:
    """A message that rests or is parked, as the window has seen it."""

    message: Message
    until: datetime | None
    """When it comes back by itself; None when it is parked"""


class Looks(Protocol):
    """What the window knows."""

    async def story(self, saga_id: UUID) -> Story | None:
        """The whole of a saga; None when nothing of it was seen."""

    async def message(self, saga_id: UUID, event_id: UUID) -> Sequence[Message]:
        """All that was seen of an event, the newest last."""

    async def sagas(self, wanted: Filter, after: int | None, limit: int) -> Sequence[Summary]:
        """Sagas, the newest first, from a key on."""

    async def slowest(self, limit: int) -> Sequence[Summary]:
        """Sagas in flight, the oldest first."""

    async def resolve(self, text: str) -> Sequence[UUID]:
        """The sagas that a saga, payment, reservation, checkout, user or seat names, the newest first."""

    async def steps(self) -> Mapping[str, StepNumbers]:
        """Numbers of all steps, by queue."""

    async def hour(self) -> Sequence[Minute]:
        """The last sixty minutes."""

    async def put_aside(self, after: int | None, limit: int) -> Sequence[PutAside]:
        """What rests or is parked, the newest first, from a number on."""

    async def discarded(self, step: str, event_id: UUID) -> None:
        """What a step had put aside is there no more."""

    async def gaps(self) -> Sequence[Gap]:
        """What is missing, the newest first."""

    async def audit(self) -> Sequence[Finding]:
        """The rules of conservation, judged by events alone."""

    async def moved(self, since: int) -> int:
        """The number of the newest message; returns when it is larger than `since`, or after some seconds."""
