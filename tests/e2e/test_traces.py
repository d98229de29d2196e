"""One trace from the request through the log to the read models and to other systems, as a collector gets it."""

import json
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.log_reader import events_of
from tests.e2e.people import person
from tests.e2e.processes import TIMEOUT_SECONDS, another, eventually
from tests.otlp_collector import Collector, Seen, collector
from tests.stack import Stack, running_stack

CALLER = "b7ad6b7169203331"


@pytest.fixture(scope="module")
def sink() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced(
    sink: Collector, kafka_bootstrap: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test%20stack",
    }
    with running_stack(kafka_bootstrap, redis_url, tmp_path_factory.mktemp("traced"), **settings) as stack:
        yield stack


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as one:
        yield one


def fresh_trace() -> str:
    return secrets.token_hex(16)


def spans_of(sink: Collector, trace: str, count: int) -> dict[str, Seen]:
    """Return the spans of a trace by service and name, once there are so many."""
    eventually(lambda: len(sink.spans(trace)) >= count, f"{count} spans of {trace}", 10)
    found = sink.spans(trace)
    by_name = {f"{span.service} {span.name}": span for span in found}
    assert len(by_name) == len(found) == count, sorted(f"{span.service} {span.name}" for span in found)
    return by_name


def test_one_trace_from_the_request_through_the_log_to_the_read_models(
    traced: Stack, sink: Collector, client: httpx.Client
) -> None:
    trace, body = fresh_trace(), person(external_id=secrets.token_hex(8))
    headers = {"traceparent": f"00-{trace}-{CALLER}-01"}
    answer = client.post(f"{traced.command_url}/users?from=a-form", json=body, headers=headers)
    assert answer.status_code == 201
    user = answer.json()["id"]

    spans = spans_of(sink, trace, 7)
    request = spans["command-api POST /users"]
    append = spans[f"command-api append {traced.events_topic}"]
    process = spans[f"projector process {traced.events_topic}"]
    assert (request.parent, request.kind) == (CALLER, "server")
    assert [spans[f"command-api {step}"].parent for step in ("reserve", "verdict")] == [request.id] * 2
    assert (append.parent, append.kind) == (request.id, "producer")
    assert (process.parent, process.kind) == (append.id, "consumer")
    assert spans["projector apply"].parent == process.id
    assert spans[f"relay relay {traced.changes_topic}"].parent == append.id

    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/users",
        "http.response.status_code": 201,
        "url.scheme": "http",
    }
    (event,) = events_of(traced, user)
    assert event.traceparent == f"00-{trace}-{append.id}-01"
    assert append.attributes["messaging.message.id"] == process.attributes["messaging.message.id"] == event.id
    assert append.attributes["messaging.kafka.offset"] == process.attributes["messaging.kafka.offset"]
    assert process.attributes["user_directory.verdict"] == "accepted"
    assert spans["command-api reserve"].attributes["user_directory.reservation"] == "reserved"
    assert spans["command-api verdict"].attributes["user_directory.verdict"] == "accepted"
    assert not any(span.failed for span in spans.values())
    # What lasts within what: the verdict is told before the projector's own span ends.
    assert request.begin <= append.begin <= append.end <= request.end
    assert process.begin <= spans["projector apply"].begin <= spans["projector apply"].end <= process.end

    said = json.dumps([span.attributes | {"name": span.name} for span in spans.values()])
    for personal in (user, body["email"], body["external_id"], "Ångström", "a-form"):
        assert personal not in said
    assert {"test stack"} == {resource["deployment.environment.name"] for resource in sink.resources}


def test_a_read_is_a_span_with_its_route_and_status_and_no_path(
    traced: Stack, sink: Collector, client: httpx.Client
) -> None:
    trace, nobody = fresh_trace(), "01a20cc7-d8ea-72dc-a30b-5f42795a0975"
    headers = {"traceparent": f"00-{trace}-{CALLER}-01"}
    assert client.get(f"{traced.query_url}/users/{nobody}?version=1", headers=headers).status_code == 404
    (span,) = spans_of(sink, trace, 1).values()
    assert (span.name, span.service, span.parent, span.failed) == ("GET /users/{user_id}", "query-api", CALLER, False)
    assert span.attributes["http.response.status_code"] == 404
    assert nobody not in json.dumps(span.attributes)


def test_a_request_of_nobodys_trace_begins_one_and_the_logs_name_it(
    traced: Stack, sink: Collector, client: httpx.Client
) -> None:
    request_id = f"test-{secrets.token_hex(8)}"
    user = client.post(f"{traced.command_url}/users", json=person(), headers={"X-Request-ID": request_id}).json()["id"]
    (event,) = events_of(traced, user)
    assert event.traceparent is not None
    trace = event.traceparent.split("-")[1]
    request = spans_of(sink, trace, 7)["command-api POST /users"]
    assert request.parent == ""

    def lines(log: Path, **fields: str) -> list[dict[str, str]]:
        parsed = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
        return [line for line in parsed if fields.items() <= line.items()]

    (access,) = lines(traced.command_api.log, logger="access", request_id=request_id)
    assert (access["trace_id"], access["traceparent"].split("-")[2]) == (trace, request.id)
    assert lines(traced.projector.log, message="event projected", trace_id=trace, event_id=event.id)


def test_who_does_not_want_to_be_recorded_is_not(traced: Stack, sink: Collector, client: httpx.Client) -> None:
    silent, recorded = fresh_trace(), fresh_trace()
    for trace, flags in ((silent, "00"), (recorded, "01")):
        headers = {"traceparent": f"00-{trace}-{CALLER}-{flags}"}
        user = client.post(f"{traced.command_url}/users", json=person(), headers=headers).json()["id"]
        (event,) = events_of(traced, user)
        assert event.traceparent is not None
        assert (event.traceparent.split("-")[1], event.traceparent[-2:]) == (trace, flags)
    # Spans leave in order, so what came later tells that nothing of the former was on its way.
    spans_of(sink, recorded, 7)
    assert sink.spans(silent) == []


def test_rows_of_an_import_are_not_recorded_one_by_one(traced: Stack, sink: Collector, client: httpx.Client) -> None:
    trace = fresh_trace()
    answer = client.post(
        f"{traced.command_url}/users/import",
        content="".join(f"{json.dumps(person())}\n" for _ in range(3)),
        headers={"traceparent": f"00-{trace}-{CALLER}-01", "content-type": "application/x-ndjson"},
    )
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["status"] for row in rows] == [201] * 3, rows
    for row in rows:
        (event,) = events_of(traced, row["id"])
        assert event.traceparent is not None
        assert (event.traceparent.split("-")[1], event.traceparent[-2:]) == (trace, "00")
    spans_of(sink, trace, 1)


def test_a_collector_that_is_away_costs_one_warning_and_nothing_else(
    traced: Stack, client: httpx.Client, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        # It takes connections and says nothing: worse than one that is not there.
        where = f"http://127.0.0.1:{hangs.getsockname()[1]}"
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": where, "OTEL_BSP_SCHEDULE_DELAY": "10"}
        with another(traced, "command-api", tmp_path, **settings) as process:
            log = process.log

            def write() -> bool:
                assert client.post(f"{process.url}/users", json=person()).status_code == 201
                return "spans lost" in log.read_text()

            eventually(write, "a warning, while every write is answered", 30)
            # Each is a handful of spans, so these are batch after batch that nobody takes.
            for _ in range(50):
                write()
        text = log.read_text()
        assert (text.count("spans lost"), text.count("opentelemetry")) == (1, 0), text
        assert '"message":"stopped"' in text.splitlines()[-1]
