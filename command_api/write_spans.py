"""The steps of a write as spans within that of its request.

What is done after the request's span has ended, as the rows of an import are, has none of its own: a file of a million
rows would be a million spans of one trace. The events of such rows say that they are not recorded.
"""

from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from command_api.event_log import Append, EventLog
from command_api.settings import CommandSettings
from command_api.store import Store
from command_api.verdicts import Verdicts
from read_models.write_calls import (
    DoneUnderKey,
    EventRef,
    Idempotency,
    Loaded,
    Outcome,
    PendingUnderKey,
    ReserveReply,
    Wanted,
)
from runtime.spans import Tracing, fail, is_sampled, recording, traceparent_of, unsampled
from user_directory_events import UserEvent

_REDIS = {"db.system.name": "redis"}


class TracedStore(Store):
    """A store whose steps are spans: `load`, `reserve`."""

    def __init__(self, settings: CommandSettings, tracing: Tracing) -> None:
        super().__init__(settings)
        self._tracing = tracing

    async def load(self, user_id: str, idempotency: Idempotency | None) -> Loaded | DoneUnderKey | PendingUnderKey:
        """Load what a decision needs; see `Store`."""
        with self._tracing.child("load", _REDIS, SpanKind.CLIENT):
            return await super().load(user_id, idempotency)

    async def reserve(self, wanted: Wanted) -> ReserveReply:
        """Reserve what one event needs; see `Store`. The span says what became of it."""
        with self._tracing.child("reserve", _REDIS, SpanKind.CLIENT) as span:
            reply = await super().reserve(wanted)
            span.set_attribute("user_directory.reservation", type(reply).__name__.lower())
            return reply


class TracedVerdicts(Verdicts):
    """Verdicts whose wait is a span: `verdict`."""

    def __init__(self, store: Store, tracing: Tracing) -> None:
        super().__init__(store)
        self._tracing = tracing

    async def settled(self, event: EventRef, *, until: float, ask_first: bool) -> Outcome:
        """Wait until the outcome of an event is known; see `Verdicts`. The event may be another write's."""
        with self._tracing.child("verdict", {"messaging.message.id": event.event_id}) as span:
            outcome = await super().settled(event, until=until, ask_first=ask_first)
            span.set_attribute("user_directory.verdict", outcome.status)
            return outcome


class TracedEventLog(EventLog):
    """A log in which an event names the span of its append, which lasts until every in-sync replica has it."""

    def __init__(self, settings: CommandSettings, tracing: Tracing) -> None:
        super().__init__(settings)
        self._tracing = tracing

    def append(self, event: UserEvent, partition: int) -> Append:
        """Hand one event to the producer; see `EventLog`."""
        if not recording():
            if event.traceparent is not None and is_sampled(event.traceparent):
                event = event.model_copy(update={"traceparent": unsampled(event.traceparent)})
            return super().append(event, partition)
        attributes = {
            "messaging.system": "kafka",
            "messaging.operation.name": "append",
            "messaging.operation.type": "send",
            "messaging.destination.name": self._topic,
            "messaging.destination.partition.id": str(partition),
            "messaging.message.id": event.id,
            "user_directory.event.type": event.type,
        }
        span = self._tracing.tracer.start_span(f"append {self._topic}", kind=SpanKind.PRODUCER, attributes=attributes)
        event = event.model_copy(update={"traceparent": traceparent_of(span)})
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                return super().append(event, partition)
            except Exception as error:
                _failed(span, error)
                raise

    def _send(self, key: bytes, value: bytes, partition: int) -> Any:
        future = super()._send(key, value, partition)
        span = trace.get_current_span()
        if span.is_recording():
            future.add_callback(_acknowledged, span)
            future.add_errback(_failed, span)
        return future


def _acknowledged(span: Span, metadata: Any) -> None:
    """End the span of an append; on the producer's thread."""
    span.set_attribute("messaging.kafka.offset", metadata.offset)
    span.end()


def _failed(span: Span, error: BaseException) -> None:
    fail(span, type(error).__qualname__)
    span.end()
