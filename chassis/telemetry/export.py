"""Export: sends spans over OTLP/HTTP, switched on by the standard variables of OpenTelemetry and by nothing else.

`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` says where to. All others (`OTEL_SERVICE_NAME`,
`OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`, …) mean what the SDK says; `OTEL_SDK_DISABLED` and `OTEL_TRACES_EXPORTER=none`
switch it off.
"""

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chassis.ids import new_id
from chassis.telemetry.tracing import SPANS

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
FLUSH_SECONDS = 2.0
"""How long the end of a process waits for a collector"""


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the variables ask for spans to be exported."""
    is_disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    is_for_nobody = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    return any(environment.get(name) for name in ENDPOINTS) and not is_disabled and not is_for_nobody


def configure(service: str) -> "TracerProvider | None":
    """Export the spans of this process from now on, if the environment asks for it."""
    if not is_wanted(os.environ):
        return None
    # The SDK and its protocol take six MiB, which a process that exports nothing need not have.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    # What is given here would win over the variables.
    is_named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    name = {} if is_named else {SERVICE_NAME: service}
    provider = TracerProvider(
        resource=Resource.create({SERVICE_INSTANCE_ID: str(new_id()), **name}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    SPANS.collect(provider.get_tracer("chassis"))
    return provider


def shutdown(provider: "TracerProvider | None", seconds: float = FLUSH_SECONDS) -> None:
    """Make no more spans, and send those that are left, within so many seconds; a collector that hangs gets none."""
    SPANS.collect(None)
    if provider is None:
        return
    # The SDK bounds neither its flush nor a request that hangs.
    sending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    sending.start()
    sending.join(seconds)
