"""Admission: turns requests that move something away at the door, before they cost anything.

It stands around the whole application: to say no takes a fraction of what it takes to know who asks and for what.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from chassis.telemetry import metrics
from chassis.web.problem import MEDIA_TYPE

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing (RFC 9110, section 9.2.1)"""

_REASONS = {
    "sagas": "more is under way than can be finished soon",
    "requests": "too many requests are being worked on",
    "departures": "more was said than the broker has taken",
    "steps": "the steps have more to do than they can do at once",
}


class Admission:
    """ASGI middleware: answers 503 with `Retry-After` while the door of the service is closed."""

    def __init__(self, app: App, state: Any) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Let the request in, or turn it away."""
        if scope["type"] == "http" and scope["method"] not in SAFE and (reason := self._state.runtime.door.closed):
            metrics.turned_away.labels(reason).inc()
            await _turn_away(scope["path"], reason, send)
        else:
            await self._app(scope, receive, send)


async def _turn_away(path: str, reason: str, send: Send) -> None:
    body = json.dumps(
        {
            "type": "urn:problem:busy",
            "title": "Service Unavailable",
            "status": 503,
            "detail": f"Nothing was done: {_REASONS[reason]}. Try again shortly.",
            "instance": path,
        }
    ).encode()
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", b"1"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
