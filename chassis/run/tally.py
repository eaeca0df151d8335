"""Tally: counts what became of each attempt of a step, and how long after its event."""

from collections.abc import Sequence
from datetime import UTC, datetime

from chassis.choreography.envelope import Envelope
from chassis.telemetry import metrics


class Tally:
    """The figures of one step. Its metrics are looked up once: they are counted for each event."""

    def __init__(self, step: str) -> None:
        self._done = metrics.handled.labels(step, "done")
        self._failed = metrics.handled.labels(step, "failed")
        self._seconds = metrics.step_seconds.labels(step)

    def note(self, envelopes: Sequence[Envelope], outcomes: Sequence[object]) -> None:
        """Count attempts that were committed, where the outcome is None, and those that were not."""
        now = datetime.now(UTC)
        done = [one for one, error in zip(envelopes, outcomes, strict=True) if error is None]
        self._done.inc(len(done))
        self.failed(len(outcomes) - len(done))
        for one in done:
            # The clock of whoever said it may be ahead.
            self._seconds.observe(max((now - one.occurred_at).total_seconds(), 0.0))

    def failed(self, count: int = 1) -> None:
        """Count attempts that came to nothing."""
        if count:
            self._failed.inc(count)
