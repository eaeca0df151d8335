"""Pulse: whether the broker stores what it confirms, shown by what it has confirmed last.

A connection stands also to a node that is alone in the world, or whose disk is full, and such a node goes on to confirm
what need not come into any queue. So a process that has had nothing else confirmed for a while has one message stored:
by a quorum queue, which keeps nothing, but confirms only what a majority of its members has on disk.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Protocol

from chassis.broker.burst import Parcel
from chassis.choreography.topology import ASKS, PULSE, pulse_queue
from chassis.errors import NotPublishedError

PULSE_SECONDS, RETRY_SECONDS = 4.0, 0.5
"""After how long without a proof one is asked for, and asked for again"""
SILENT_SECONDS = 10.0
"""After how long without a proof the broker counts as failing"""


class Delivers(Protocol):
    """What has a message confirmed."""

    async def __call__(self, parcel: Parcel, /) -> None:
        """Raise NotPublishedError unless the broker has confirmed it in time."""


class Pulse:
    """When the broker last gave a proof."""

    def __init__(self, service: str) -> None:
        self._parcel = Parcel(ASKS, pulse_queue(service), {}, b"", PULSE, correlation_id=None, timestamp=None)
        self._proven_at: float | None = None

    @property
    def trouble(self) -> str | None:
        """Since when there was none, if for long."""
        if self._proven_at is None:
            return "nothing confirmed yet"
        silent = _now() - self._proven_at
        return f"nothing confirmed for {silent:.0f} s" if silent > SILENT_SECONDS else None

    def note(self, parcels: Sequence[Parcel], objections: Sequence[BaseException | None]) -> None:
        """What became of some messages. What need not come into a queue proves nothing."""
        if any(parcel.mandatory and one is None for parcel, one in zip(parcels, objections, strict=True)):
            self._proven_at = _now()

    async def beat(self, deliver: Delivers) -> None:
        """For ever: ask for a proof now, and again when there has been none for a while, so never in busy times."""
        is_due = True
        while True:
            if is_due:
                with contextlib.suppress(NotPublishedError):  # it is not noted, and tried again
                    await deliver(self._parcel)
            rest = PULSE_SECONDS - (_now() - self._proven_at) if self._proven_at is not None else 0.0
            await asyncio.sleep(max(rest, RETRY_SECONDS))
            is_due = self._proven_at is None or _now() - self._proven_at >= PULSE_SECONDS


def _now() -> float:
    return asyncio.get_running_loop().time()
