"""Brings broker, databases, services and the external platform up on one machine, without Docker."""

from stack.run.lifecycle import down, environment, prepare, up

__all__ = ["down", "environment", "prepare", "up"]
