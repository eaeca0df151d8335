"""Export: sends spans over OTLP/HTTP, switched on by the standard variables of OpenTelemetry and by nothing else.

`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` says where to. All others (`OTEL_SERVICE_NAME`,
`OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`, …) mean what the SDK says; `OTEL_SDK_DISABLED` and `OTEL_TRACES_EXPORTER=none`
switch it off.
"""

import os
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Protocol

from opentelemetry.trace import Tracer

from chassis.telemetry.tracing import SPANS

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
FLUSH_SECONDS = 2.0
"""How long the end of a process waits for a collector"""


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the variables ask for spans to be exported."""
    is_disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    is_for_nobody = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    return any(environment.get(name) for name in ENDPOINTS) and not is_disabled and not is_for_nobody


class Exporting(Protocol):
    """What makes spans and sends them."""

    def get_tracer(self, name: str, /) -> Tracer:
        """What makes them."""

    def shutdown(self) -> None:
        """Send those that are left, and make no more."""


def configure(service: str) -> Exporting | None:
    """Export the spans of this process from now on, if the environment asks for it."""
    if not is_wanted(os.environ):
        return None
    provider: Exporting = import_module("chassis.telemetry.otlp").provider_of(service)
    SPANS.collect(provider.get_tracer("chassis"))
    return provider


def shutdown(provider: Exporting | None, seconds: float = FLUSH_SECONDS) -> None:
    """Make no more spans, and send those that are left, within so many seconds; a collector that hangs gets none."""
    SPANS.collect(None)
    if provider is None:
        return
    # The SDK bounds neither its flush nor a request that hangs.
    sending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    sending.start()
    sending.join(seconds)
