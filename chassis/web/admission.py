"""Admission: turns requests that move something away at the door, before they cost anything.

It stands around the whole application: to say no takes a fraction of what it takes to know who asks and for what.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
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
            leaves = closing(send) if has_body(dict(scope["headers"])) else send
            await answer(scope["path"], await self._no(scope, reason))(scope, receive, leaves)
        else:
            await self._app(scope, receive, send)

    async def _no(self, scope: Message, reason: str) -> Problem:
        """Why not; whoever asks too often hears that, here as behind the door."""
        try:
            await self._state.rates.count_address(address_of(scope))
        except Problem as problem:
            return problem
        metrics.turned_away.labels(reason).inc()
        detail = f"Nothing was done: {_REASONS[reason]}. Try again shortly."
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, "busy", headers={"Retry-After": "1"})


def address_of(scope: Message) -> str:
    """The address that a request comes from."""
    return str((scope.get("client") or ("",))[0])


def has_body(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a body belongs to a request with these headers."""
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def closing(send: Send) -> Send:
    """End the connection after the answer: nobody will read the body that may still come."""

    async def close(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: list[Any] = message.setdefault("headers", [])
            headers.append((b"connection", b"close"))
        await send(message)

    return close
