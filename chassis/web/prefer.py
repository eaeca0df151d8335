"""Prefer: a client that would rather wait for the outcome says how long (RFC 7240, `wait`)."""

import re
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Response

Final = TypeVar("Final")

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


def applied(response: Response, wait: int, settled: Final | None) -> Final | None:
    """Mark a response as the final state that the client waited for, when it came in time."""
    if settled is not None:
        response.status_code = HTTPStatus.OK
        response.headers["Preference-Applied"] = f"wait={wait}"
        del response.headers["Retry-After"]
    return settled
