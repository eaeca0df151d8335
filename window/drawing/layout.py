"""Layout: where each step of a choreography stands on its map: services are rows, and a step follows what it hears."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from window.choreography import Leg, Saga, Step

MAX_ROUNDS = 100
"""How often columns are moved until each step stands after those that it hears; circles never do"""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on the map: a column, the lane of a service and a level of that lane."""

    column: int
    lane: int
    level: int


@dataclass(frozen=True)
class Layout:
    """The steps of a saga in their places."""

    saga: Saga
    spots: Mapping[str, Spot] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "spots", dict(_spots(self.saga)))

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return 1 + max((one.column for one in self.spots.values()), default=0)

    def levels(self, lane: int) -> int:
        """How many levels a lane has."""
        return 1 + max((one.level for one in self.spots.values() if one.lane == lane), default=0)


def _spots(saga: Saga) -> Iterator[tuple[str, Spot]]:
    """What undoes stands below what it undoes, so the way back runs below the way out, the other way round."""
    columns = _columns(saga)
    taken: set[Spot] = set()
    for step in saga.steps:
        lane = saga.services.index(step.service)
        level = 0 if step.leg is Leg.OUT else 1
        while (spot := Spot(columns[step.name], lane, level)) in taken:
            level += 1
        taken.add(spot)
        yield step.name, spot


def _columns(saga: Saga) -> Mapping[str, int]:
    columns = dict.fromkeys((step.name for step in saga.out), 0)
    for _ in range(min(MAX_ROUNDS, len(columns))):
        for step in saga.out:
            before = [columns[one.name] for one in saga.out if set(one.says) & set(step.hears) and one is not step]
            columns[step.name] = min(len(columns) - 1, max(before, default=-1) + 1)
    for step in saga.back:
        heard = (columns[one.name] for one in saga.back if set(one.says) & set(step.hears) and one.name in columns)
        columns[step.name] = columns[step.undoes] if step.undoes in columns else min(heard, default=0)
    last = max(columns.values(), default=0)
    for step in reversed(saga.asked):
        columns[step.name] = _asked_column(saga, step, columns, last)
    return columns


def _asked_column(saga: Saga, step: Step, columns: Mapping[str, int], last: int) -> int:
    """Below the step that says the same; else right of those that hear it."""
    for other in saga.out:
        if set(other.says) & set(step.says):
            return columns[other.name]
    hearing = [columns[one.name] for one in saga.steps if set(one.hears) & set(step.says) and one.name in columns]
    return min(last, max(hearing, default=last - 1) + 1)
