"""Spans of what projector and relay do with an event, within the trace of the request that it came from.

A batch is of many traces, so its work cannot be a span of one: each event whose trace is recorded gets a span that
lasts as long as its batch took. Events that are read again, in a replay or a rebuild, get none: their request is long
over.
"""

import time
from collections.abc import Sequence

from opentelemetry.trace import SpanKind, set_span_in_context

from projector.projection import Judgement
from projector.relay_selection import PublicChange
from runtime.spans import Tracing, fail, is_sampled, parent_of
from user_directory_events import Verdict

_RECENT_MS = 60_000
_KAFKA = {"messaging.system": "kafka"}


class ProjectionSpans:
    """Makes the projector's spans: `process` for an event, within it `apply` for what its batch took in Redis."""

    def __init__(self, tracing: Tracing, topic: str) -> None:
        self._tracer = tracing.tracer
        self._topic = topic

    def judged(self, partition: int, judgements: Sequence[Judgement], began: float, applying: float) -> None:
        """Tell of a batch that is applied now; it and its applying began then, by `time.perf_counter`."""
        oldest = time.time() * 1000 - _RECENT_MS
        # Spans are in nanoseconds since 1970.
        now, counter = time.time_ns(), time.perf_counter()
        begin, apply_begin = (now - round((counter - at) * 1e9) for at in (began, applying))
        for judgement in judgements:
            event, verdict = judgement.event, judgement.verdict
            if judgement.entry.timestamp < oldest or event.traceparent is None or not is_sampled(event.traceparent):
                continue
            span = self._tracer.start_span(
                f"process {self._topic}",
                parent_of(event.traceparent),
                kind=SpanKind.CONSUMER,
                start_time=begin,
                attributes={
                    **_KAFKA,
                    "messaging.operation.name": "process",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": self._topic,
                    "messaging.destination.partition.id": str(partition),
                    "messaging.kafka.offset": judgement.entry.offset,
                    "messaging.message.id": event.id,
                    "messaging.batch.message_count": len(judgements),
                    "user_directory.event.type": event.type,
                    "user_directory.verdict": "duplicate" if verdict is None else verdict.name.lower(),
                },
            )
            if judgement.fault is not None:
                fail(span, "parked" if judgement.parks else "waits")
            elif verdict is not Verdict.ACCEPTED:
                fail(span, "duplicate" if verdict is None else verdict.name.lower())
            self._tracer.start_span(
                "apply",
                set_span_in_context(span),
                kind=SpanKind.CLIENT,
                start_time=apply_begin,
                attributes={"db.system.name": "redis"},
            ).end(now)
            span.end(now)


def relayed(tracing: Tracing, topic: str, changes: Sequence[PublicChange], began: float) -> None:
    """Tell of the changes of a transaction that was committed and began then, by `time.monotonic`."""
    oldest = time.time() * 1000 - _RECENT_MS
    now = time.time_ns()
    begin = now - round((time.monotonic() - began) * 1e9)
    for change in changes:
        event = change.event
        if change.timestamp >= oldest and event.traceparent is not None and is_sampled(event.traceparent):
            tracing.tracer.start_span(
                f"relay {topic}",
                parent_of(event.traceparent),
                kind=SpanKind.PRODUCER,
                start_time=begin,
                attributes={
                    **_KAFKA,
                    "messaging.operation.name": "relay",
                    "messaging.operation.type": "send",
                    "messaging.destination.name": topic,
                    "messaging.destination.partition.id": str(change.partition),
                    "messaging.message.id": event.id,
                    "messaging.batch.message_count": len(changes),
                    "user_directory.event.type": event.type,
                },
            ).end(now)
