"""Guard: what a request has to be before anything reads it: known, not one of too many, and small.

FastAPI reads a body before it looks at the token. So whoever wants to move something is asked for a token here, and
only then is the body read, up to a size that every request of ours fits in.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

from chassis.web.admission import SAFE, App, Message, Receive, Send, address_of, closing, has_body
from chassis.web.bearer import Bearers, Claims, asked_for
from chassis.web.problem import Problem, answer
from chassis.web.rates import Rates

MAX_BODY = 16 << 10
"""Bytes of a body; the largest request of ours has some hundred"""
BODY_SECONDS = 10.0
"""How long a client may take to send it"""


class Guard:
    """ASGI middleware: notes who asks, turns away whoever may not, and hands on a body that is complete."""

    def __init__(self, app: App, bearers: Bearers, rates: Rates) -> None:
        self._app = app
        self._bearers = bearers
        self._rates = rates

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Let the request in, or turn it away."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(reversed(scope["headers"]))
        try:
            received = await self._checked(scope, headers, receive)
        except Problem as problem:
            await answer(scope["path"], problem)(scope, receive, closing(send) if has_body(headers) else send)
        except _LeftError:
            return
        else:
            is_read = scope["method"] not in SAFE or not has_body(headers)
            await self._app(scope, received, send if is_read else closing(send))

    async def _checked(self, scope: Message, headers: Mapping[bytes, bytes], receive: Receive) -> Receive:
        """What to read the request with; raises Problem where it is turned away."""
        await self._rates.count_address(address_of(scope))
        who = await self._who(headers)
        if who is not None:
            scope.setdefault("state", {})["claims"] = who
        if isinstance(who, Claims):
            await self._rates.count_user(who.sub)
        if scope["method"] in SAFE:
            return receive
        if not isinstance(who, Claims):
            raise who or asked_for()
        return _replayed(await _body(headers, receive), receive)

    async def _who(self, headers: Mapping[bytes, bytes]) -> Claims | Problem | None:
        """Who asks, or why their token is not believed; None without a token."""
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        try:
            return await self._bearers.claims(token)
        except Problem as problem:
            return problem


class _LeftError(Exception):
    """The client has left before its request was complete."""


async def _body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """The whole body; raises Problem when it is too large or comes too slowly."""
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length[:20]) > MAX_BODY:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise _LeftError
                body += message.get("body", b"")
                if len(body) > MAX_BODY:
                    raise _too_large()
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError as error:
        detail = f"The body did not come within {BODY_SECONDS:.0f} seconds."
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, detail) from error


def _too_large() -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has at most {MAX_BODY} bytes.", "content-too-large")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read, and after that what the server says."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay
