"""Spans, and the two forms in which their place travels: OpenTelemetry's context, and W3C's `traceparent`.

What spans say holds no personal data: routes and never paths, ids of events and never those of users, kinds of errors
and never their messages.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode, TraceFlags, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

Attributes = Mapping[str, AttributeValue]

_PROPAGATOR = TraceContextTextMapPropagator()
_LENGTH = 55
# The lowest bit of the flags, which are two hexadecimal digits at the end.
_ODD = frozenset("13579bdf")


class Tracing:
    """Makes the spans of one process; `close` sends what still waits."""

    def __init__(self, tracer: Tracer, close: Callable[[], None]) -> None:
        self.tracer = tracer
        self.close = close

    @contextmanager
    def child(
        self, name: str, attributes: Attributes | None = None, kind: SpanKind = SpanKind.INTERNAL
    ) -> Iterator[Span]:
        """Make a span within the current one; without a current one, or if that is not sampled, make none."""
        if not recording():
            yield INVALID_SPAN
            return
        with self.tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                fail(span, type(error).__qualname__)
                raise


def recording() -> bool:
    """Say whether there is a current span that is sampled and has not ended."""
    return trace.get_current_span().is_recording()


def fail(span: Span, kind: str) -> None:
    """Mark a span as failed; `kind` is that of the error."""
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)


def parent_of(traceparent: str, tracestate: str = "") -> Context:
    """Return the context of a caller's headers; an empty one, in which a span begins a trace, if they say nothing."""
    # A context of its own: that of the task may be of the request before, on the same connection.
    return _PROPAGATOR.extract({"traceparent": traceparent, "tracestate": tracestate}, Context())


def traceparent_of(span: Span) -> str:
    """Return a span's place as W3C Trace Context writes it."""
    place = span.get_span_context()
    return f"00-{place.trace_id:032x}-{place.span_id:016x}-{place.trace_flags:02x}"


def is_sampled(traceparent: str | None) -> bool:
    """Say whether a traceparent asks to record the trace; one that is malformed does not."""
    return traceparent is not None and len(traceparent) == _LENGTH and traceparent[-1] in _ODD


def unsampled(traceparent: str) -> str:
    """Return a well-formed traceparent without the flag that asks to record."""
    return f"{traceparent[:-2]}{int(traceparent[-2:], 16) & ~TraceFlags.SAMPLED:02x}"
