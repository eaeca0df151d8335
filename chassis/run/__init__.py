"""Ties store and broker together: consumers, batches, effects, jobs, start and end. It knows no HTTP."""

from chassis.run.runtime import Job, Runtime

__all__ = ["Job", "Runtime"]
