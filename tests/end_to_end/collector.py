"""A collector of traces: what OTLP/HTTP brings it, kept in memory."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Received

from tests.end_to_end.starting import HERE

CONVERSATION = "messaging.message.conversation_id"


@dataclass(frozen=True)
class Span:
    """A span that has arrived."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    is_error: bool
    attributes: dict[str, str]
    events: tuple[str, ...]


@dataclass
class Collector:
    """What has arrived."""

    endpoint: str = ""
    spans: list[Span] = field(default_factory=list)

    def trace_of(self, saga_id: UUID) -> list[Span]:
        """All spans of the traces that the saga is part of."""
        traces = {span.trace_id for span in self.spans if span.attributes.get(CONVERSATION) == str(saga_id)}
        return [span for span in self.spans if span.trace_id in traces]

    def take(self, body: bytes) -> None:
        """Decode what an exporter has sent."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [_read(names["service.name"], span) for span in scope.spans]


def _read(service: str, span: Received) -> Span:
    return Span(
        service=service,
        name=span.name,
        kind=Received.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        is_error=span.status.code == span.status.STATUS_CODE_ERROR,
        attributes={one.key: one.value.string_value or str(one.value.int_value) for one in span.attributes},
        events=tuple(event.name for event in span.events),
    )


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens while the context lasts."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((HERE, 0), Handler)
    collector.endpoint = f"http://{HERE}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
