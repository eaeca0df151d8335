"""The trace of an event is the one of what caused it."""

import re
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from uuid import UUID

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from chassis.telemetry import export
from chassis.telemetry.serving import ContinueTrace
from chassis.telemetry.tracing import SPANS, current, finish, traceparent_after, traceparent_of, untraced, within

SAGA_ID = UUID("0123456789abcdef0123456789abcdef")
CAUSE = "00-11111111111111111111111111111111-2222222222222222-01"
EVENT_ID = UUID("00000000000070008000000000000001")
CURRENT = "00-00000000000000000000000000000abc-0000000000000def-01"


@pytest.fixture
def _in_a_span() -> Iterator[None]:
    """Somebody traces."""
    span = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1)))
    token = context.attach(trace.set_span_in_context(span))
    yield
    context.detach(token)


@pytest.fixture
def collected() -> Iterator[InMemorySpanExporter]:
    """Somebody collects the spans of this process."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    SPANS.collect(provider.get_tracer("tests"))
    yield exporter
    SPANS.collect(None)


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


def test_without_a_collector_there_are_no_spans() -> None:
    """A step costs nothing where nobody traces."""
    span = SPANS.step("lamps.light", "lamps", "lamp.lit", EVENT_ID, SAGA_ID, CAUSE)
    with within(span):
        assert current() is None
    finish(span)
    assert [span, SPANS.publish("lamps", "lamp.lit", EVENT_ID, SAGA_ID, CAUSE), SPANS.call("lamps.light", span)] == [
        None
    ] * 3


def test_what_a_step_says_is_published_below_it(collected: InMemorySpanExporter) -> None:
    """A step follows the publish of what it heard, and what it says follows the step."""
    # given
    step = SPANS.step("lamps.light", "fans", "fan.pressed", EVENT_ID, SAGA_ID, CAUSE)
    # when
    with within(step):
        said = traceparent_after(CAUSE, SAGA_ID)
    finish(SPANS.publish("lamps", "lamp.lit", EVENT_ID, SAGA_ID, said))
    finish(step)
    # then
    publish, process = collected.get_finished_spans()
    assert (process.kind, publish.kind) == (SpanKind.CONSUMER, SpanKind.PRODUCER)
    assert process.parent is not None
    assert f"{process.parent.span_id:016x}" == CAUSE.split("-")[2]
    assert publish.parent is not None
    assert publish.parent.span_id == process.context.span_id
    assert publish.context.trace_id == process.context.trace_id
    assert (process.attributes or {})["messaging.destination.name"] == "fans:fan.pressed:lamps.light"
    assert (publish.attributes or {})["messaging.destination.name"] == "lamps:lamp.lit"
    assert (publish.attributes or {})["messaging.message.conversation_id"] == str(SAGA_ID)


def test_a_failed_attempt_tells_its_error_without_values(collected: InMemorySpanExporter) -> None:
    """The span has the first line of the error, as the log has; what a database adds names users."""
    finish(
        SPANS.step("lamps.light", "lamps", "lamp.lit", EVENT_ID, SAGA_ID, CAUSE), ValueError("not unique\nDETAIL: ann")
    )

    (span,) = collected.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError: not unique")
    assert "ann" not in span.to_json()


@pytest.mark.usefixtures("_in_a_span")
def test_what_is_done_for_several_belongs_to_nobody() -> None:
    """Requests that share a transaction do not share the trace of the first of them."""
    with untraced():
        assert current() is None
    assert current() == CURRENT


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "point"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_variables_alone_switch_export_on(environment: dict[str, str], wanted: bool) -> None:
    """An endpoint switches it on, unless the SDK is told to do nothing."""
    assert export.is_wanted(environment) is wanted


@pytest.mark.parametrize(("variable", "name"), [(None, "point_svc"), ("OTEL_SERVICE_NAME", "cashier")])
def test_a_service_has_its_name_unless_a_variable_says_another(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, name: str
) -> None:
    """Whoever runs several of them can tell them apart; and the end does not wait for a collector that is not there."""
    # given
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    if variable:
        monkeypatch.setenv(variable, name)
    # when
    provider = export.configure("point_svc")
    # then
    assert isinstance(provider, TracerProvider)
    assert provider.resource.attributes["service.name"] == name
    export.shutdown(provider, seconds=1)
    assert not SPANS.on


@pytest.mark.parametrize(("path", "count"), [("/points", 1), ("/livez", 0)])
async def test_a_request_is_a_span_named_by_its_route(collected: InMemorySpanExporter, path: str, count: int) -> None:
    """Its path, which may have the id of a user, is not told; what is asked every few seconds is no span."""

    async def app(scope: dict[str, object], receive: object, send: Callable[[object], Awaitable[None]]) -> None:
        scope["route"] = SimpleNamespace(path="/points/{user}")
        await send({"type": "http.response.start", "status": 503})

    async def send(_message: object) -> None:
        """Nobody listens."""

    scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"traceparent", CAUSE.encode())]}
    # when
    await ContinueTrace(app)(scope, None, send)  # type: ignore[arg-type]  # as much of ASGI as it needs
    # then
    spans = collected.get_finished_spans()
    assert [(span.name, span.kind) for span in spans] == [("GET /points/{user}", SpanKind.SERVER)] * count
    for span in spans:
        assert span.parent is not None
        assert span.status.status_code is StatusCode.ERROR
        assert traceparent_of(NonRecordingSpan(span.parent)) == CAUSE


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
