"""The trace of an event is the one of what caused it."""

import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from chassis.telemetry.tracing import ContinueTrace, consuming, traceparent_after

SAGA_ID = UUID("0123456789abcdef0123456789abcdef")
CAUSE = "00-11111111111111111111111111111111-2222222222222222-01"
CURRENT = "00-00000000000000000000000000000abc-0000000000000def-01"


@pytest.fixture
def _in_a_span() -> Iterator[None]:
    """Somebody traces."""
    span = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1)))
    token = context.attach(trace.set_span_in_context(span))
    yield
    context.detach(token)


@pytest.mark.usefixtures("_in_a_span")
@pytest.mark.parametrize("cause", [None, "", CAUSE])
def test_the_current_span_decides(cause: str | None) -> None:
    """Where tracing is set up, an event belongs to the span in which it is said."""
    assert traceparent_after(cause, SAGA_ID) == CURRENT


def test_without_a_span_the_cause_decides() -> None:
    """Where nobody traces, the trace is handed on from event to event."""
    assert traceparent_after(CAUSE, SAGA_ID) == CAUSE


@pytest.mark.parametrize("cause", [None, ""])
def test_without_either_the_saga_is_the_trace(cause: str | None) -> None:
    """The first event of a saga has a valid trace whose id is the saga's, and a span of its own."""
    # when
    first, second = traceparent_after(cause, SAGA_ID), traceparent_after(cause, SAGA_ID)
    # then
    assert re.fullmatch(rf"00-{SAGA_ID.hex}-[0-9a-f]{{16}}-01", first)
    assert first != second


def test_consuming_without_tracing_opens_no_span() -> None:
    """A step costs nothing where nobody traces."""
    with consuming("lamps.light", CAUSE):
        assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize(("header", "expected"), [(CAUSE, CAUSE), (None, None), ("nonsense", None), ("\xff", None)])
async def test_a_request_is_answered_within_its_trace(header: str | None, expected: str | None) -> None:
    """A request with a `traceparent` begins no trace of its own; a broken header is as good as none."""
    # given
    inside: list[str] = []

    async def app(scope: object, receive: object, send: object) -> None:
        inside.append(traceparent_after(None, SAGA_ID))

    headers = [(b"traceparent", header.encode("latin-1"))] if header else []
    # when
    await ContinueTrace(app)({"type": "http", "headers": headers}, None, None)  # type: ignore[arg-type]
    # then
    assert inside[0].startswith(expected or f"00-{SAGA_ID.hex}")
    assert not trace.get_current_span().get_span_context().is_valid
