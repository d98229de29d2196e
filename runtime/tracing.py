"""Traces: spans of OpenTelemetry for a collector, off unless an endpoint is set (docs/adr/0711).

What makes and sends spans is not even imported while they are off; whoever asks then gets `None`.
"""

from typing import TYPE_CHECKING

from runtime.settings import TracingSettings

if TYPE_CHECKING:
    from runtime.spans import Tracing


def tracing_of(settings: TracingSettings, process: str) -> "Tracing | None":
    """Start what the settings ask for; `process` becomes the service's name. Not before a fork: it starts a thread."""
    if settings.otel_exporter_otlp_endpoint is None or settings.otel_sdk_disabled:
        return None
    from runtime.span_export import exported

    return exported(settings, process)
