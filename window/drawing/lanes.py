"""Lanes: where each part of a timeline stands: services side by side, time from top to bottom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from window.drawing.rows import Row, rows
from window.story import Attempt, Happening, Story, Wait, Way

AXIS, LANE, BOX, HIGH, SHIFT = 84.0, 200.0, 164.0, 36.0, 18.0
"""Widths of the axis, a lane and a box; the height of a box; how far the way back stands to the right"""
HEAD, FOOT = 64.0, 44.0
"""How much room there is above the first row and below the last"""


@dataclass(frozen=True)
class Drawn:
    """What is drawn, and where each lane stands."""

    story: Story
    lanes: Sequence[str]
    base: str
    rows: Sequence[Row] = field(init=False)
    of: Mapping[int, Row] = field(init=False)
    """The row of each happening"""

    def __post_init__(self) -> None:
        found = rows(self.story, HEAD)
        object.__setattr__(self, "rows", found)
        object.__setattr__(self, "of", {row.number: row for row in found if row.number is not None})

    @property
    def width(self) -> float:
        """All lanes and the axis."""
        return AXIS + LANE * len(self.lanes)

    @property
    def bottom(self) -> float:
        """Where lifelines end."""
        return (self.rows[-1].y if self.rows else HEAD) + FOOT

    def left(self, service: str, *, back: bool = False) -> float:
        """Where a box on the lane of a service begins."""
        return AXIS + LANE * self.lanes.index(service) + 2 + (SHIFT if back else 0)


def lanes(story: Story, services: Sequence[str]) -> Sequence[str]:
    """The lanes that a story needs: known services first, then whoever else took part."""
    used = {happening.message.service for happening in story.happenings}
    used |= {service_of(wait.step) for wait in story.waits}
    used |= {service_of(one.step) for wait in story.waits for one in wait.attempts}
    used |= {service_of(one.step) for happening in story.happenings for one in happening.attempts}
    return [*(one for one in services if one in used), *sorted(used - set(services))]


def where(what: Happening | Attempt | Wait) -> str:
    """The service on whose lane it stands."""
    return what.message.service if isinstance(what, Happening) else service_of(what.step)


def is_back(what: Happening | Attempt | Wait) -> bool:
    """Whether it stands on the way back: what undoes, and the end of what was undone."""
    return isinstance(what, Happening) and what.way is not Way.OUT and not what.is_refusal and what.undoes is not None


def undoes(row: Row) -> int | None:
    """The index of what a row undoes."""
    return row.what.undoes if isinstance(row.what, Happening) else None


def service_of(step: str) -> str:
    """The service that a step belongs to."""
    return step.partition(".")[0]
