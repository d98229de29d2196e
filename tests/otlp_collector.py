"""A double of an OpenTelemetry collector: takes OTLP over HTTP, as it is on the wire, and remembers the spans."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

Value = str | int


@dataclass(frozen=True)
class Seen:
    """A span that arrived; ids in hexadecimal, `parent` empty for the first of a trace, times in nanoseconds."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    begin: int
    end: int
    failed: bool
    attributes: dict[str, Value]


class Collector:
    """What arrived; `status` is what it answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.requests = 0
        self.headers: list[dict[str, str]] = []
        self.resources: list[dict[str, Value]] = []
        self._spans: list[Seen] = []

    def spans(self, trace: str | None = None) -> list[Seen]:
        """Return the spans of one trace, or all."""
        return [span for span in list(self._spans) if trace in (None, span.trace)]

    def take(self, path: str, body: bytes) -> int:
        """Take a request; return the answer's status."""
        self.requests += 1
        if path != "/v1/traces":
            return 404
        if self.status == 200:
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = _attributes(group.resource.attributes)
                self.resources.append(resource)
                for scope in group.scope_spans:
                    self._spans += [_seen(str(resource["service.name"]), span) for span in scope.spans]
        return self.status


@contextmanager
def collector() -> Iterator[Collector]:
    """Run a collector on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            here.headers.append({name.lower(): value for name, value in self.headers.items()})
            status = here.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield here
        finally:
            server.shutdown()
            thread.join()


def _seen(service: str, span: Span) -> Seen:
    return Seen(
        service,
        span.name,
        Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == Status.STATUS_CODE_ERROR,
        _attributes(span.attributes),
    )


def _attributes(found: Iterable[KeyValue]) -> dict[str, Value]:
    return {pair.key: _value(pair.value) for pair in found}


def _value(value: AnyValue) -> Value:
    match value.WhichOneof("value"):
        case "int_value":
            return value.int_value
        case "array_value":
            return ",".join(str(_value(one)) for one in value.array_value.values)
        case "string_value":
            return value.string_value
        case other:
            raise ValueError(f"no span of ours has a value of the kind {other}")
