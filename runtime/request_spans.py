"""A span for each HTTP request, as OpenTelemetry's conventions for HTTP servers have it, but for the path."""

from http import HTTPMethod
from typing import Final

import falcon.asgi
from opentelemetry import context as current
from opentelemetry.trace import SpanKind, set_span_in_context

from runtime import context
from runtime.observation import UNLOGGED_ROUTES, Request
from runtime.spans import Tracing, fail, parent_of, traceparent_of

_METHODS: Final = frozenset(HTTPMethod)
_FIRST_ERROR_STATUS: Final = 500


class RequestSpans:
    """Falcon middleware; stands right behind the observation of requests, so that what is refused is seen too.

    What the request leaves in events and log lines is this span's place. An answer that is streamed has its span end
    where the stream begins.
    """

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    async def process_request(self, req: Request, _resp: falcon.asgi.Response) -> None:
        """Begin the span, under that of the caller if it names one."""
        if req.path in UNLOGGED_ROUTES:
            # A pipelined request inherits the context of the one before it.
            current.attach(current.Context())
            return
        trace, state = req.raw_header(b"traceparent") or b"", req.raw_header(b"tracestate") or b""
        method = req.method if req.method in _METHODS else "_OTHER"
        span = self._tracing.tracer.start_span(
            method,
            parent_of(trace.decode("latin-1"), state.decode("latin-1")),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "url.scheme": req.scheme},
        )
        context.traceparent.set(traceparent_of(span))
        current.attach(set_span_in_context(span, current.Context()))
        req.context.span = span

    async def process_response(
        self, req: Request, resp: falcon.asgi.Response, _resource: object, _succeeded: bool
    ) -> None:
        """End the span with route and status."""
        span = getattr(req.context, "span", None)
        if span is None:
            return
        status = resp.status_code
        if span.is_recording():
            if req.uri_template is not None:
                span.update_name(f"{req.method} {req.uri_template}")
                span.set_attribute("http.route", req.uri_template)
            span.set_attribute("http.response.status_code", status)
            if status >= _FIRST_ERROR_STATUS:
                fail(span, str(status))
        span.end()
