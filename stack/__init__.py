"""Brings broker, databases, services and the external platform up on one machine, without Docker."""

from stack.lifecycle import down, environment, up

__all__ = ["down", "environment", "up"]
