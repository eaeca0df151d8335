"""Prefer: a client that would rather wait for the outcome says how long (RFC 7240, `wait`)."""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Header, Response


class Located(Protocol):
    """The state of something that a client may come back for."""

    @property
    def location(self) -> str:
        """Where it is found."""


State = TypeVar("State", bound=Located)

LONGEST_WAIT = 30
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?:[,;]|$)", re.IGNORECASE)


def wait_seconds(prefer: str | None) -> int:
    """The seconds that a `Prefer` header asks to wait, at most 30; 0 when it does not."""
    match = _WAIT.search(prefer or "")
    return min(int(match[1]), LONGEST_WAIT) if match else 0


async def _preferred_wait(prefer: Annotated[str | None, Header()] = None) -> int:
    return wait_seconds(prefer)


PreferredWait = Annotated[int, Depends(_preferred_wait)]
"""How long the client prefers to wait for a final state."""


async def answered(
    response: Response, accepted: State, wait: int, settled: Callable[[int], Awaitable[State | None]]
) -> State:
    """The answer to a request that goes on by itself: its final state if the client waits and it comes in time.

    Else it is what was accepted, where that is found, and when to come back.
    """
    response.headers["Location"] = accepted.location
    final = await settled(wait) if wait else None
    if final is None:
        response.headers["Retry-After"] = "1"
        return accepted
    response.status_code = HTTPStatus.OK
    response.headers["Preference-Applied"] = f"wait={wait}"
    return final
