"""How spans leave the process: gathered by a thread, sent over OTLP/HTTP, dropped if nobody takes them.

A collector that is away costs a warning and its spans, never a request.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from urllib.parse import unquote

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.util.re import parse_env_headers

from runtime.settings import TracingSettings
from runtime.spans import Tracing

_EXPORT_SECONDS = 5.0
_CLOSE_SECONDS = 2.0
_QUIET_SECONDS = 10.0
# What these say of lost spans they say again for each batch.
_TALKATIVE = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal")

log = logging.getLogger(__name__)


def exported(settings: TracingSettings, process: str) -> Tracing:
    """Start to send spans to the collector of the settings."""
    headers = settings.otel_exporter_otlp_headers
    exporter = OTLPSpanExporter(
        endpoint=f"{str(settings.otel_exporter_otlp_endpoint).rstrip('/')}/v1/traces",
        certificate_file=settings.otel_exporter_otlp_certificate,
        headers=parse_env_headers(headers.get_secret_value(), liberal=True) if headers is not None else {},
        timeout=_EXPORT_SECONDS,
    )
    losses = LossReport()
    processor = BatchSpanProcessor(
        _Reported(exporter, losses),
        max_queue_size=settings.otel_bsp_max_queue_size,
        schedule_delay_millis=settings.otel_bsp_schedule_delay,
        max_export_batch_size=512,
    )
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(settings.otel_traces_sampler_arg),
        resource=Resource.create(
            {
                "service.namespace": "user-directory",
                "service.name": process,
                "service.instance.id": str(uuid.uuid4()),
                **_attributes(settings.otel_resource_attributes),
            }
        ),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor)
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(losses)

    def close() -> None:
        # The library waits for half a minute if the collector hangs, and a process that ends has no such time.
        closing = threading.Thread(target=provider.shutdown, name="tracing-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)
        if not closing.is_alive():
            for name in _TALKATIVE:
                logging.getLogger(name).removeFilter(losses)

    return Tracing(provider.get_tracer("user-directory"), close)


class LossReport(logging.Filter):
    """Makes one warning of all that the library says of lost spans, until they have been taken again for a while."""

    def __init__(self, quiet_seconds: float = _QUIET_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._quiet_seconds = quiet_seconds
        self._clock = clock
        self._lost_at: float | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Let nothing pass, and warn of the first."""
        if record.levelno < logging.WARNING:
            return False
        first = self._lost_at is None
        self._lost_at = self._clock()
        if first:
            log.warning("spans lost", extra={"reason": record.getMessage()})
        return False

    def taken(self) -> None:
        """Note that the collector took spans."""
        if self._lost_at is not None and self._clock() - self._lost_at >= self._quiet_seconds:
            self._lost_at = None
            log.info("spans taken again")


class _Reported(SpanExporter):
    """An exporter that tells of its successes; the library tells of what failed."""

    def __init__(self, exporter: SpanExporter, losses: LossReport) -> None:
        self._exporter = exporter
        self._losses = losses

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._losses.taken()
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _attributes(text: str) -> dict[str, str]:
    items = (item.partition("=") for item in text.split(",") if item)
    return {name.strip(): unquote(value.strip()) for name, _, value in items}
