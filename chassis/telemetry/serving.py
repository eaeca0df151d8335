"""Serving: what a request does belongs to the trace of its client, and is a span where somebody collects them."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from opentelemetry import context, trace
from opentelemetry.trace import Span, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.telemetry.tracing import SPANS, TRACEPARENT, finish

Scope = MutableMapping[str, Any]

UNWATCHED = frozenset({"/livez", "/readyz", "/metrics"})
"""What is asked every few seconds, and tells nobody anything as a trace"""
SERVER_ERROR = 500

_propagator = TraceContextTextMapPropagator()


class ContinueTrace:
    """ASGI middleware: what a request does belongs to the trace of its `traceparent` header, if it has one."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Answer the request within its trace."""
        headers = dict(scope.get("headers", ()))
        asked = _propagator.extract({TRACEPARENT: headers.get(b"traceparent", b"").decode("latin-1")})
        span = SPANS.request(scope.get("method", ""), asked) if _is_watched(scope) else None
        token = context.attach(asked if span is None else trace.set_span_in_context(span, asked))
        try:
            if span is None:
                await self._app(scope, receive, send)
            else:
                await self._watched(span, scope, receive, send)
        finally:
            context.detach(token)

    async def _watched(self, span: Span, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        async def note(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                _describe(span, scope, message["status"])
            await send(message)

        error: BaseException | None = None
        try:
            await self._app(scope, receive, note)
        except BaseException as raised:
            error = raised
            raise
        finally:
            finish(span, error)


def _is_watched(scope: Scope) -> bool:
    return scope.get("type") == "http" and scope.get("path") not in UNWATCHED


def _describe(span: Span, scope: Scope, status: int) -> None:
    """Name a span by its route: the path itself has ids, some of them of users."""
    span.set_attribute("http.response.status_code", status)
    if status >= SERVER_ERROR:
        span.set_attribute("error.type", str(status))
        span.set_status(StatusCode.ERROR)
    if path := getattr(scope.get("route"), "path", None):
        span.set_attribute("http.route", path)
        span.update_name(f"{scope.get('method', '')} {path}")
