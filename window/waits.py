"""Waits: says in words what a saga waits for."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from chassis.visible import visible
from window.looks import StepNumbers
from window.story import Attempt, Wait

MAX_ERROR = 200
_SECONDS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def sentence(
    wait: Wait, numbers: StepNumbers | None, now: datetime, delays: Mapping[str, timedelta] | None = None
) -> str:
    """What the saga waits for, for how long, and why; `delays` are those of the choreography.

    `seat.reserve has not answered payment.paid for 14 s; its queue holds 312 messages and has no consumer`
    """
    parts = [f"{visible(wait.step)} has not answered {visible(wait.event)} for {spoken(now - wait.since)}"]
    parts.extend(_failures(wait, now, delays or {}))
    if numbers is not None and not wait.is_parked:
        parts.extend(_queue(numbers))
    return "; ".join(parts)


def spoken(time: timedelta) -> str:
    """A time in whole units, such as `14 s`, `150 s` or `3 min`."""
    seconds = int(time.total_seconds())
    if seconds < 1:
        return "less than 1 s"
    # Of the larger unit there have to be three, or rounding would hide too much.
    size, unit = next(((size, unit) for size, unit in _SECONDS if seconds >= 3 * size), (1, "s"))
    return f"{seconds // size} {unit}"


def attempted(attempt: Attempt) -> str:
    """What an attempt failed with, on one line."""
    error = visible(attempt.error)
    return f"{error[:MAX_ERROR]}…" if len(error) > MAX_ERROR else error or "no reason given"


def _failures(wait: Wait, now: datetime, delays: Mapping[str, timedelta]) -> Iterator[str]:
    if wait.attempts:
        last, times = wait.attempts[-1], len(wait.attempts)
        yield f"failed {'once' if times == 1 else f'{times} times, the last'} with {attempted(last)}"
        rest = delays.get(last.delay or "")
        if rest is not None and (left := rest - (now - last.at)) > timedelta(0):
            yield f"comes back in {spoken(left)}"
    if wait.is_parked:
        yield "is parked: needs a person"


def _queue(numbers: StepNumbers) -> Iterator[str]:
    """What its queue holds and who takes from it, as far as the broker tells."""
    facts = []
    if numbers.backlog is not None:
        facts.append(f"holds {_counted(numbers.backlog, 'message')}")
    if numbers.consumers is not None:
        facts.append(f"has {_counted(numbers.consumers, 'consumer')}")
    if facts:
        yield f"its queue {' and '.join(facts)}"


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number <= 1 else 's'}"
