"""Ties store and broker together: consumers, batches, effects, jobs, start and end. It knows no HTTP."""

from chassis.run.runtime import Job, Runtime
from chassis.run.under_way import STUCK_AFTER, Bound

__all__ = ["STUCK_AFTER", "Bound", "Job", "Runtime"]
