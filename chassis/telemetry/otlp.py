"""OTLP: the SDK that sends spans, as the variables of OpenTelemetry say.

It takes four MiB, so only a process that exports something loads it.
"""

import os

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from chassis.ids import new_id


def provider_of(service: str) -> TracerProvider:
    """What makes the spans of this process and sends them."""
    # What is given here would win over the variables.
    is_named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    name = {} if is_named else {SERVICE_NAME: service}
    provider = TracerProvider(
        resource=Resource.create({SERVICE_INSTANCE_ID: str(new_id()), **name}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
