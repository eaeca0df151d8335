"""W3C Trace Context through the outbox: the trace of an event is the one of what caused it."""

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any
from uuid import UUID

from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Scope = MutableMapping[str, Any]

_tracer = trace.get_tracer("chassis")
_propagator = TraceContextTextMapPropagator()


def traceparent_after(cause: str | None, saga_id: UUID) -> str:
    """The `traceparent` of an event that is said now.

    The span that is current decides; without one, the event's cause; without that, the saga is the trace (a
    UUID and a trace id both have 128 bits), so that every saga can be followed even where nobody traces.
    """
    carrier: dict[str, str] = {}
    if trace.get_current_span().get_span_context().is_valid:
        _propagator.inject(carrier)
    if cause and "traceparent" not in carrier:
        return cause
    return carrier.get("traceparent", f"00-{saga_id.hex}-{secrets.token_hex(8)}-01")


@contextlib.contextmanager
def consuming(step: str, traceparent: str) -> Iterator[None]:
    """A span for one step over one event, as a child of the event's trace, where tracing is set up."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        yield
        return
    parent = _propagator.extract({"traceparent": traceparent})
    with _tracer.start_as_current_span(step, context=parent, kind=trace.SpanKind.CONSUMER):
        yield


class ContinueTrace:
    """ASGI middleware: what a request does belongs to the trace of its `traceparent` header, if it has one."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Answer the request within its trace."""
        headers = dict(scope.get("headers", ()))
        token = context.attach(_propagator.extract({"traceparent": headers.get(b"traceparent", b"").decode("latin-1")}))
        try:
            await self._app(scope, receive, send)
        finally:
            context.detach(token)
