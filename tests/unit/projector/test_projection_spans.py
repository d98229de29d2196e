"""The projector's and the relay's spans: of recent events whose trace is recorded, and of nothing else."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from projector.projection import Judgement, LogEntry
from projector.projection_spans import ProjectionSpans, relayed
from projector.relay_selection import PublicChange
from runtime.spans import Tracing
from tests.sample_events import registered
from user_directory_events import UserEvent, Verdict

TRACE, APPEND = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
RECORDED = f"00-{TRACE}-{APPEND}-01"


def event(traceparent: str | None) -> UserEvent:
    return registered().model_copy(update={"traceparent": traceparent})


def judgement(traceparent: str | None, seconds_old: float = 0, **fields: Any) -> Judgement:
    made = event(traceparent)
    entry = LogEntry(7, round((time.time() - seconds_old) * 1000), made)
    return Judgement(entry, made, **{"verdict": Verdict.ACCEPTED, **fields})


def judged(tracing: Tracing, judgements: Sequence[Judgement]) -> None:
    now = time.perf_counter()
    ProjectionSpans(tracing, "user-events").judged(3, judgements, now - 0.003, now - 0.002)


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_an_event_has_a_span_under_its_append_and_in_it_one_for_redis(
    tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    judged(tracing, [judgement(RECORDED), judgement(None)])

    spans = by_name(exporter)
    assert set(spans) == {"process user-events", "apply"}
    process, apply = spans["process user-events"], spans["apply"]
    assert process.parent is not None
    assert process.context is not None
    assert apply.parent is not None
    assert f"{process.context.trace_id:032x}" == TRACE
    assert f"{process.parent.span_id:016x}" == APPEND
    assert apply.parent.span_id == process.context.span_id
    assert apply.start_time is not None
    assert apply.end_time is not None
    assert process.start_time is not None
    assert apply.start_time - process.start_time == pytest.approx(1e6, abs=1e3)
    assert apply.end_time == process.end_time
    assert process.attributes is not None
    assert process.attributes["messaging.batch.message_count"] == 2
    assert process.attributes["messaging.destination.partition.id"] == "3"
    assert process.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("traceparent", [None, "", f"00-{TRACE}-{APPEND}-00", "something else"])
def test_what_asks_for_no_record_has_none(
    tracing: Tracing, exporter: InMemorySpanExporter, traceparent: str | None
) -> None:
    judged(tracing, [judgement(traceparent)])
    relayed(tracing, "user-changes", [PublicChange(0, round(time.time() * 1000), event(traceparent))], time.monotonic())
    assert exporter.get_finished_spans() == ()


def test_what_is_read_again_long_afterwards_has_no_span(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    judged(tracing, [judgement(RECORDED, seconds_old=120)])
    past = round((time.time() - 120) * 1000)
    relayed(tracing, "user-changes", [PublicChange(0, past, event(RECORDED))], time.monotonic())
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"verdict": Verdict.VOID_EPOCH}, "void_epoch"),
        ({"verdict": None}, "duplicate"),
        ({"fault": "name: too long", "parks": True}, "parked"),
        ({"fault": "name: too long"}, "waits"),
    ],
)
def test_what_changes_nothing_is_marked(
    tracing: Tracing, exporter: InMemorySpanExporter, fields: dict[str, Any], kind: str
) -> None:
    judged(tracing, [judgement(RECORDED, **fields)])
    process = by_name(exporter)["process user-events"]
    assert process.status.status_code is StatusCode.ERROR
    assert (process.attributes or {})["error.type"] == kind
    assert "too long" not in process.to_json()


def test_what_is_relayed_has_a_span_under_its_append(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    relayed(tracing, "user-changes", [PublicChange(2, round(time.time() * 1000), event(RECORDED))], time.monotonic())
    span = by_name(exporter)["relay user-changes"]
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == APPEND
    assert (span.attributes or {})["messaging.destination.partition.id"] == "2"
