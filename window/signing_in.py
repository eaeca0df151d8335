"""Signing in: pages are for operators, who show their token once; a cookie keeps it for as long as it is valid."""

import base64
import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final, Protocol
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.web.admission import SAFE
from chassis.web.bearer import MAX_LIFE, OPERATOR, Claims
from chassis.web.problem import Problem
from window.pages.templates import TEMPLATES, secure

COOKIE: Final = "window_token"
SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
MAX_FORM: Final = 16 << 10
"""Bytes of a form; a token has at most 4,096"""
OPEN: Final = ("/static/", "/livez", "/readyz", "/metrics", "/api/")
"""What asks for a token by itself, or needs none"""


class Recognises(Protocol):
    """Tells who bears a token, as `chassis.web.bearer.Bearers` does."""

    async def claims(self, token: str) -> Claims:
        """The claims of a valid token; raises Problem for any other."""


class SigningIn:
    """ASGI middleware: lets operators in, shows everybody else where to sign in, and refuses what another site sends.

    Behind it a request carries its token as `Authorization`, so whatever checks tokens there works for pages too.
    """

    def __init__(self, app: ASGIApp, bearers: Recognises) -> None:
        self._app = app
        self._bearers = bearers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on the request of an operator; answer any other."""
        if scope["type"] != "http" or str(scope["path"]).startswith(OPEN):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = await self._answer(request)
        if answer is None:
            await self._app(scope, receive, send)
        else:
            await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        if request.method not in SAFE and not is_same_origin(request):
            return PlainTextResponse("This was sent by another site, so nothing was done.", HTTPStatus.FORBIDDEN)
        if request.url.path == SIGN_IN:
            return await self._sign_in(request)
        if request.url.path == SIGN_OUT:
            return _signed_out(request)
        return await self._let_in(request)

    async def _let_in(self, request: Request) -> Response | None:
        """Note who asks; the answer if it is no operator."""
        token = request.cookies.get(COOKIE, "")
        try:
            claims = await self._operator(token)
        except Problem:
            return _elsewhere(request)
        request.scope.setdefault("state", {}).update(operator=Operator(claims.sub, token), claims=claims)
        headers = [one for one in request.scope["headers"] if one[0] != b"authorization"]
        request.scope["headers"] = [*headers, (b"authorization", f"Bearer {token}".encode("latin-1"))]
        return None

    async def _sign_in(self, request: Request) -> Response:
        if request.method in SAFE:
            return _form(request, local(request.query_params.get("next", "/")))
        sent = await form(request)
        token, then = sent.get("token", [""])[0].strip(), local(sent.get("next", ["/"])[0])
        try:
            await self._operator(token)
        except Problem as problem:
            return _form(request, then, problem.detail, HTTPStatus.UNAUTHORIZED)
        return _signed_in(request, token, then)

    async def _operator(self, token: str) -> Claims:
        if not token.isascii():
            raise Problem(HTTPStatus.UNAUTHORIZED, "The token is not valid.")
        claims = await self._bearers.claims(token)
        if not claims.has(OPERATOR):
            raise Problem(HTTPStatus.FORBIDDEN, "Only operators may look: this is no operator's token.")
        return claims


class Operator:
    """Who is signed in, with the token that services are asked with."""

    def __init__(self, name: str, token: str) -> None:
        self.name = name
        self.token = token


async def _operator(request: Request) -> Operator:
    found: Operator = request.state.operator
    return found


SignedIn = Annotated[Operator, Depends(_operator)]
"""The operator who asks; the middleware has let nobody else in."""


def is_same_origin(request: Request) -> bool:
    """Whether a page of the window has sent this, as far as the browser tells."""
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None:
        return fetched == "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


def local(target: str) -> str:
    """The target if it is a path of the window, else the first page: no link may lead from here to another site."""
    parts = urlsplit(target) if target.isprintable() else None
    is_local = parts and not parts.scheme and not parts.netloc and target.startswith("/") and "\\" not in target
    return target if is_local and not target.startswith("//") else "/"


async def form(request: Request) -> Mapping[str, list[str]]:
    """The fields of a form; raises Problem if it is too large."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A form has at most {MAX_FORM} bytes.")
    return parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=1000)


def _elsewhere(request: Request) -> Response:
    if request.method not in SAFE or "text/event-stream" in request.headers.get("accept", ""):
        return PlainTextResponse("Sign in first.", HTTPStatus.UNAUTHORIZED)
    query = f"?{request.url.query}" if request.url.query else ""
    then = quote(local(request.url.path + query), safe="/")
    return RedirectResponse(f"{SIGN_IN}?next={then}", HTTPStatus.SEE_OTHER)


def _form(request: Request, then: str, error: str = "", status: HTTPStatus = HTTPStatus.OK) -> Response:
    page = TEMPLATES.TemplateResponse(
        request, "sign_in.html", {"next": then, "error": error, "findings": None}, status_code=status
    )
    return secure(page)


def _signed_in(request: Request, token: str, then: str) -> Response:
    answer = RedirectResponse(then, HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE, token, max_age=_seconds(token), httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return answer


def _signed_out(request: Request) -> Response:
    if request.method in SAFE:
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    answer = RedirectResponse(SIGN_IN, HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _seconds(token: str) -> int:
    """How long a token that was checked is still valid."""
    try:
        part = token.split(".")[1]
        ends = float(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["exp"])
    except (IndexError, KeyError, ValueError, TypeError):
        return 0
    return int(max(0, min(ends - time.time(), MAX_LIFE.total_seconds())))
