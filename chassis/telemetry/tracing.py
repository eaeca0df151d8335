"""Traces: spans of requests, steps, publishes and calls where somebody collects them; else their ids alone go on.

One saga is one trace. The outbox keeps the `traceparent` of the step that said an event; the publish is a child of
that step, and the step that hears the event is a child of the publish.
"""

import contextlib
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.errors import describe

TRACEPARENT = "traceparent"

_propagator = TraceContextTextMapPropagator()
_NOTHING: AbstractContextManager[Any] = contextlib.nullcontext()


class Spans:
    """Makes the spans of a process. As long as nobody collects them there are none, and each is None."""

    def __init__(self) -> None:
        self._tracer: trace.Tracer | None = None

    @property
    def on(self) -> bool:
        """Whether somebody collects them."""
        return self._tracer is not None

    def collect(self, tracer: trace.Tracer | None) -> None:
        """Make spans with this tracer from now on; with None, make no more."""
        self._tracer = tracer

    def request(self, method: str, parent: context.Context) -> Span | None:
        """The span of a request, which is a child of its client's."""
        if self._tracer is None:
            return None
        attributes = {"http.request.method": method}
        return self._tracer.start_span(method, parent, kind=SpanKind.SERVER, attributes=attributes)

    def step(
        self, queue: str, exchange: str, event: str, event_id: UUID, saga_id: UUID, traceparent: str
    ) -> Span | None:
        """The span of one attempt of a step at an event, which is a child of its publish."""
        if self._tracer is None:
            return None
        return self._tracer.start_span(
            f"process {queue}",
            _under(traceparent),
            kind=SpanKind.CONSUMER,
            attributes=_attributes("process", event_id, saga_id, exchange, event, queue) | {"saga.step": queue},
        )

    def publish(self, exchange: str, event: str, event_id: UUID, saga_id: UUID, traceparent: str) -> Span | None:
        """The span of one attempt to publish an event, which is a child of the step that said it."""
        if self._tracer is None:
            return None
        return self._tracer.start_span(
            f"publish {event}",
            _under(traceparent),
            kind=SpanKind.PRODUCER,
            attributes=_attributes("send", event_id, saga_id, exchange, event),
        )

    def call(self, queue: str, parent: Span | None) -> Span | None:
        """The span of what an effect does outside, which is a child of its step's."""
        if self._tracer is None or parent is None:
            return None
        return self._tracer.start_span(
            f"call {queue}",
            trace.set_span_in_context(parent, context.Context()),
            kind=SpanKind.CLIENT,
            attributes={"saga.step": queue},
        )


SPANS = Spans()
"""Those of this process"""


def within(span: Span | None) -> AbstractContextManager[Any]:
    """What is said inside belongs to the span, if there is one."""
    if span is None:
        return _NOTHING
    return trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False)


def finish(span: Span | None, error: BaseException | None = None) -> None:
    """End a span, with the error that it ended with; its text is that of the log, which names no values of rows."""
    if span is None:
        return
    if error is not None:
        kind, text = type(error).__name__, describe(error)
        span.set_attribute("error.type", kind)
        span.add_event("exception", {"exception.type": kind, "exception.message": text})
        span.set_status(StatusCode.ERROR, text)
    span.end()


def traceparent_of(span: Span) -> str:
    """The `traceparent` of what belongs to a span."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(span, context.Context()))
    return carrier.get(TRACEPARENT, "")


def current() -> str | None:
    """The `traceparent` of what happens now, if it belongs to a trace."""
    span = trace.get_current_span()
    return traceparent_of(span) if span.get_span_context().is_valid else None


def traceparent_after(cause: str | None, saga_id: UUID) -> str:
    """The `traceparent` of an event that is said now.

    The span that is current decides; without one, the event's cause; without that, the saga is the trace (a
    UUID and a trace id both have 128 bits), so that every saga can be followed even where nobody traces.
    """
    return current() or cause or f"00-{saga_id.hex}-{secrets.token_hex(8)}-01"


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """What is done inside is done for several, so it belongs to no trace of one of them."""
    token = context.attach(context.Context())
    try:
        yield
    finally:
        context.detach(token)


def _under(traceparent: str) -> context.Context:
    """The context of what follows; without a valid `traceparent`, the beginning of a trace."""
    return _propagator.extract({TRACEPARENT: traceparent}, context.Context())


def _attributes(kind: str, event_id: UUID, saga_id: UUID, exchange: str, event: str, *queue: str) -> dict[str, str]:
    """What the semantic conventions of OpenTelemetry call the facts of a message; no user is among them."""
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": kind,
        "messaging.operation.name": "publish" if kind == "send" else kind,
        "messaging.destination.name": ":".join((exchange, event, *queue)),
        "messaging.rabbitmq.destination.routing_key": event,
        "messaging.message.id": str(event_id),
        "messaging.message.conversation_id": str(saga_id),
    }
