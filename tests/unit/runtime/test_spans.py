"""Spans of requests and of steps, and what is said of those that nobody takes."""

import logging
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import falcon
import pytest
from falcon.testing import ASGIConductor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from runtime import context
from runtime.http import create_falcon_app
from runtime.settings import SettingsError, TracingSettings, load
from runtime.span_export import LossReport, exported
from runtime.spans import Tracing, is_sampled, parent_of, unsampled
from tests.otlp_collector import collector

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class _Things:
    async def on_get(self, _req: falcon.asgi.Request, resp: falcon.asgi.Response, thing: str) -> None:
        resp.media = {"traceparent": context.traceparent.get()}

    async def on_delete(self, _req: falcon.asgi.Request, _resp: falcon.asgi.Response, thing: str) -> None:
        raise RuntimeError(f"{thing} is somebody's name")


@pytest.fixture
async def client(tracing: Tracing) -> AsyncIterator[ASGIConductor]:
    app = create_falcon_app({"openapi": "3.1.0"}, name="things", checks={}, tracing=tracing)
    app.add_route("/things/{thing}", _Things())
    async with ASGIConductor(app) as conductor:
        yield conductor


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = exporter.get_finished_spans()
    return span


async def test_a_request_is_named_by_its_route_and_continues_its_callers_trace(
    client: ASGIConductor, exporter: InMemorySpanExporter
) -> None:
    answer = await client.get("/things/somebody?q=x", headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})

    span = only(exporter)
    assert span.context is not None
    assert span.parent is not None
    assert answer.json["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert f"{span.parent.span_id:016x}" == CALLER
    assert span.name == "GET /things/{thing}"
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/things/{thing}",
        "http.response.status_code": 200,
        "url.scheme": "http",
    }


@pytest.mark.parametrize("traceparent", ["", "00-xyz", f"00-{TRACE}-{CALLER}", f"ff-{TRACE}-{CALLER}-01"])
async def test_a_malformed_parent_begins_a_trace(
    client: ASGIConductor, exporter: InMemorySpanExporter, traceparent: str
) -> None:
    await client.get("/things/1", headers={"traceparent": traceparent})
    assert only(exporter).parent is None


async def test_one_request_does_not_continue_the_trace_of_the_one_before(
    client: ASGIConductor, exporter: InMemorySpanExporter
) -> None:
    await client.get("/things/1")
    await client.get("/things/1")
    one, other = exporter.get_finished_spans()
    assert one.context is not None
    assert other.context is not None
    assert one.context.trace_id != other.context.trace_id


async def test_a_fault_of_ours_is_an_error_without_its_words(
    client: ASGIConductor, exporter: InMemorySpanExporter
) -> None:
    await client.delete("/things/lovelace")
    span = only(exporter)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "500"
    assert "lovelace" not in span.to_json()


async def test_what_has_no_route_is_no_error_and_shows_no_path(
    client: ASGIConductor, exporter: InMemorySpanExporter
) -> None:
    await client.simulate_request("BREW", "/nowhere/lovelace")
    span = only(exporter)
    assert (span.name, span.status.status_code) == ("_OTHER", StatusCode.UNSET)
    assert "nowhere" not in span.to_json()


async def test_what_machines_ask_every_few_seconds_is_no_span(
    client: ASGIConductor, exporter: InMemorySpanExporter
) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await client.get(path)).status_code == 200
    assert exporter.get_finished_spans() == ()


def test_a_step_that_fails_is_marked_with_the_kind_of_its_error(
    tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    with tracing.tracer.start_as_current_span("request"), pytest.raises(KeyError), tracing.child("step"):
        raise KeyError("lovelace@example.org")
    step = exporter.get_finished_spans()[0]
    assert (step.attributes or {})["error.type"] == "KeyError"
    assert "lovelace" not in step.to_json()


def test_a_step_outside_of_a_request_is_no_span(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    with tracing.child("step") as span:
        span.set_attribute("is", "ignored")
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("flags", "sampled", "without"), [("01", True, "00"), ("03", True, "02"), ("00", False, "00"), ("02", False, "02")]
)
def test_the_lowest_flag_asks_to_record(flags: str, sampled: bool, without: str) -> None:
    traceparent = f"00-{TRACE}-{CALLER}-{flags}"
    assert is_sampled(traceparent) is sampled
    assert unsampled(traceparent) == f"00-{TRACE}-{CALLER}-{without}"


@pytest.mark.parametrize("malformed", [None, "", "01", f"00-{TRACE}-{CALLER}-01-more", "x" * 55])
def test_what_is_malformed_in_the_log_asks_for_nothing(malformed: str | None) -> None:
    assert not is_sampled(malformed)
    assert parent_of(malformed or "") == {}


def test_nothing_that_makes_or_sends_spans_is_imported_while_traces_are_off() -> None:
    program = (
        "import sys, command_api.app, query_api.app, projector.__main__\n"
        "from command_api.settings import CommandSettings\n"
        "command_api.app.create_app(CommandSettings(auth='off'))\n"
        "heavy = ('opentelemetry.sdk.trace', 'opentelemetry.exporter', 'google')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "URL"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "dev", "name=value"),
    ],
)
def test_settings_that_cannot_be_meant_are_named(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}.*{words}"):
        load(TracingSettings, {name: value})


def test_a_collector_gets_spans_with_its_credentials_and_what_they_are_of() -> None:
    with collector() as sink:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{sink.url}/",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20made-up,x-tenant=ours",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=a%2Cb, service.namespace=other",
        }
        tracing = exported(load(TracingSettings, environ), "a-process")
        tracing.tracer.start_span("one").end()
        tracing.close()
    (span,) = sink.spans()
    assert (span.service, span.name) == ("a-process", "one")
    (resource,) = sink.resources
    assert resource["deployment.environment.name"] == "a,b"
    assert resource["service.namespace"] == "other"
    assert sink.headers[0]["authorization"] == "Bearer made-up"
    assert sink.headers[0]["x-tenant"] == "ours"


def test_spans_that_nobody_takes_are_dropped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with collector() as sink:
        sink.status = 400
        settings = TracingSettings(otel_exporter_otlp_endpoint=sink.url, otel_bsp_max_queue_size=512)  # type: ignore[arg-type]
        tracing = exported(settings, "a-process")
        with caplog.at_level(logging.INFO):
            for _ in range(5000):
                tracing.tracer.start_span("one").end()
            tracing.close()
    assert sink.requests > 0
    assert [record.getMessage() for record in caplog.records] == ["spans lost"]
    assert "400" in caplog.records[0].reason or "full" in caplog.records[0].reason  # type: ignore[attr-defined]


def test_the_next_loss_is_told_once_spans_were_taken_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    clock = [0.0]
    losses = LossReport(10, lambda: clock[0])
    lost = logging.makeLogRecord({"levelno": logging.ERROR, "msg": "400"})
    with caplog.at_level(logging.INFO):
        assert not losses.filter(lost)
        assert not losses.filter(lost)
        losses.taken()
        clock[0] = 11
        losses.taken()
        losses.taken()
        losses.filter(lost)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["spans lost", "spans taken again", "spans lost"]


def test_closing_does_not_wait_for_a_collector_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        url = f"http://127.0.0.1:{hangs.getsockname()[1]}"
        tracing = exported(TracingSettings(otel_exporter_otlp_endpoint=url), "a-process")  # type: ignore[arg-type]
        tracing.tracer.start_span("one").end()
        began = time.monotonic()
        tracing.close()
        # The library itself would wait for half a minute.
        assert time.monotonic() - began < 15
