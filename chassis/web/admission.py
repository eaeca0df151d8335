"""Admission: turns requests that move something away at the door, before they cost anything.

It stands around the whole application: to say no takes a fraction of what it takes to know who asks and for what.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from chassis.telemetry import metrics
from chassis.web.problem import Problem, answer

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
            detail = f"Nothing was done: {_REASONS[reason]}. Try again shortly."
            busy = Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, "busy", headers={"Retry-After": "1"})
            await answer(scope["path"], busy)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
