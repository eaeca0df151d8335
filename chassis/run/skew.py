"""Skew: how far the clocks of other services are ahead of this one, as their messages tell.

A message takes time, so most moments in a message lie in the past. One that lies in the future proves that its sender's
clock is ahead of ours, or ours behind, by that much at the least. What rests in queues or is tried again says less, and
never more. Two clocks that differ are found by whichever of the two services hears the other.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from chassis.telemetry import metrics
from contracts.event import TOLERANCE

log = structlog.get_logger(__name__)

REMEMBERED_SECONDS = 60.0
"""How long a clock counts as ahead, once nothing of the future is heard any more"""


class Seen(NamedTuple):
    """By how many seconds a clock was ahead, and when that was seen."""

    ahead: float
    at: float


class Skew:
    """What is known of the clocks of others."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._furthest: dict[str, Seen] = {}

    @property
    def alarms(self) -> list[str]:
        """The clocks that are further ahead than is tolerated."""
        tolerated = TOLERANCE.total_seconds()
        return [
            f"the clock of {service} is ahead of this one by {seen.ahead:.0f} s at the least; set both right"
            for service, seen in self._furthest.items()
            if seen.ahead > tolerated and self._elapsed() - seen.at < REMEMBERED_SECONDS
        ]

    def note(self, service: str, occurred_at: datetime, now: datetime | None = None) -> None:
        """A service has said something at this moment of its own clock."""
        ahead = (occurred_at - (now or datetime.now(UTC))).total_seconds()
        tolerated, known = TOLERANCE.total_seconds(), self._furthest.get(service)
        if known is not None and self._elapsed() - known.at >= REMEMBERED_SECONDS:
            known = None
        if known is not None and ahead < known.ahead and ahead <= tolerated:
            return  # it has waited somewhere, and proves nothing
        furthest = max(ahead, known.ahead) if known is not None else ahead
        self._furthest[service] = Seen(furthest, self._elapsed())
        metrics.clock_ahead.labels(service).set(max(furthest, 0.0))
        if ahead > tolerated and (known is None or known.ahead <= tolerated):
            log.error("clocks differ by more than is tolerated", ahead=service, seconds=round(ahead, 1))


SKEW = Skew()
"""What this process knows"""
