"""Cadence: when a clock asks again that has had no answer."""

from datetime import datetime, timedelta

SHORTEST = timedelta(seconds=30)
LONGEST = timedelta(minutes=10)


def ask_again(since: datetime, now: datetime) -> datetime:
    """When to ask again: after as long as the answer has been missing since `since`, within bounds."""
    return now + min(max(now - since, SHORTEST), LONGEST)
