"""Step: one declared step of a service, with what it hears, what it touches, what it may say and what it undoes."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contracts.event import Event, Refusal


class Kind(StrEnum):
    """How a step is set off and run."""

    STEP = "step"
    PIVOT = "pivot"
    UNDO = "undo"
    EFFECT = "effect"
    START = "start"
    LAPSE = "lapse"
    INQUIRY = "inquiry"
    CALL = "call"


FROM_OUTSIDE = frozenset({Kind.START, Kind.LAPSE, Kind.INQUIRY, Kind.CALL})
"""The kinds that no event of their own saga sets off: a request does, the clock, or what is called out to all sagas."""


@dataclass(frozen=True)
class RowParameter:
    """A parameter that is filled with locked rows, found by the values of `column`.

    The values come from the field `of` of the event (the one named like the column, unless it says another), or from
    the same field of the rows of the earlier parameter `via`.
    """

    name: str
    model: type
    many: bool
    optional: bool
    column: str
    via: str | None
    of: str | None = None
    locked: bool = True

    @property
    def field(self) -> str:
        """The field of the event, or its singular."""
        return self.of or self.column

    def keys(self, event: Event) -> list[Any]:
        """The values of `column` that an event names, in its field or in the plural of that."""
        values = event.__dict__
        plural = f"{self.field}s"
        return list(values[plural]) if plural in values else [values[self.field]]


@dataclass(frozen=True)
class Dependency:
    """A parameter that is filled with what the service provides under this class."""

    name: str
    provides: type


@dataclass(frozen=True)
class Step:
    """One declared step."""

    service: str
    name: str
    kind: Kind
    function: Callable[..., Any]
    hears: tuple[type[Event], ...]
    says: tuple[type[Event], ...]
    rows: tuple[RowParameter, ...]
    dependencies: tuple[Dependency, ...]
    takes_now: bool
    undoes: "Step | None" = None
    answers_for: "Step | None" = None
    """The pivot or the start in whose place it stands"""
    reverses: "Step | None" = None
    """The step of another saga, long committed, that this one takes back"""
    turn: "Step | None" = None
    """Whether an effect may act on an event now, as a function of the event and of rows that are only read"""

    @property
    def queue(self) -> str:
        """The queue of the step, and its name to the world."""
        return f"{self.service}.{self.name}"

    @property
    def saga(self) -> str:
        """The saga that the step belongs to."""
        return self.says[0].saga

    @property
    def has_queue(self) -> bool:
        """Whether the step hears events."""
        return bool(self.hears)

    @property
    def tells_end(self) -> bool:
        """Whether the step tells the outside of nothing but how a saga has ended."""
        return self.kind is Kind.EFFECT and all(event.end for event in self.hears)

    @property
    def is_forward(self) -> bool:
        """Whether the step belongs to the way out."""
        return self.undoes is None

    @property
    def refusals(self) -> tuple[type[Event], ...]:
        """The events by which the step declines."""
        return tuple(event for event in self.says if issubclass(event, Refusal))

    @property
    def can_refuse(self) -> bool:
        """Whether the step may decline. One that may not has to succeed in the end, so it is never given up."""
        return bool(self.refusals)
