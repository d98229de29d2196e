"""Every metric of the product, declared once: name, help, unit, labels. No label ever holds user data.

The library decides at its first import whether several worker processes share the values, so nothing that
`runtime.server` needs before it has set PROMETHEUS_MULTIPROC_DIR may import this module.
"""

import os
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

_NAMESPACE: Final = "user_directory"
_REQUEST_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BATCH_SIZE_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def _counter(name: str, help_text: str, *labels: str) -> Counter:
    return Counter(name, help_text, labels, namespace=_NAMESPACE)


def _beginning_at_zero(counter: Counter, *values: str) -> Counter:
    """Give a counter of one label its known values at once: Prometheus misses the first step of one from 1 on."""
    for value in values:
        counter.labels(value)
    return counter


def _gauge(name: str, help_text: str, *labels: str, workers: str = "mostrecent") -> Gauge:
    """Declare a gauge; `workers` says what several worker processes' values make together."""
    return Gauge(name, help_text, labels, namespace=_NAMESPACE, multiprocess_mode=workers)  # type: ignore[arg-type]


def _seconds(name: str, help_text: str, *labels: str) -> Histogram:
    return Histogram(f"{name}_seconds", help_text, labels, namespace=_NAMESPACE, buckets=_REQUEST_BUCKETS)


# HTTP, by the RED method: the histogram's count is the rate, its status label has the errors.
HTTP_REQUEST_DURATION: Final = _seconds(
    "http_request_duration", "Time from the request's headers to its answer.", "route", "method", "status"
)
HTTP_REQUESTS_IN_FLIGHT: Final = _gauge(
    "http_requests_in_flight", "Requests that have no answer yet.", workers="livesum"
)

# Access.
ACCESS_REFUSALS: Final = _beginning_at_zero(
    _counter(
        "access_refusals_total",
        "Requests that were not let in by reason: missing, repeated, malformed, algorithm, key, signature, expired, "
        "claims, scope, no-keys.",
        "reason",
    ),
    "missing",
    "repeated",
    "malformed",
    "algorithm",
    "key",
    "signature",
    "expired",
    "claims",
    "scope",
    "no-keys",
)
TOKEN_KEY_FAILURES: Final = _counter(
    "token_key_failures_total", "Times that the keys of the tokens could not be read; those read before are kept."
)

RATE_LIMITED: Final = _beginning_at_zero(
    _counter("rate_limited_total", "Requests refused for a rate limit: subject, address.", "limit"),
    "subject",
    "address",
)
RATE_LIMIT_FAILURES: Final = _counter(
    "rate_limit_failures_total", "Requests let pass uncounted, as Redis did not answer."
)

# Command API.
WRITES: Final = _counter(
    "writes_total",
    "Writes by command and by what came of them: accepted, unchanged, refused, pending, void, unavailable.",
    "command",
    "outcome",
)
APPEND_DURATION: Final = _seconds("append_duration", "Time from the send of an event to Kafka's acknowledgement.")
APPENDS: Final = _beginning_at_zero(
    _counter("appends_total", "Events sent to Kafka by outcome: acknowledged, not_sent, unknown.", "outcome"),
    "acknowledged",
    "not_sent",
    "unknown",
)
VERDICT_WAIT: Final = _seconds("verdict_wait", "Time from Kafka's acknowledgement to the projector's verdict.")
RESERVATION_WAIT: Final = _seconds("reservation_wait", "Time that a write waited for another's unsettled reservation.")
REDECISIONS: Final = _beginning_at_zero(
    _counter("redecisions_total", "Writes decided anew by reason: held, void, stale.", "reason"),
    "held",
    "void",
    "stale",
)
WRITES_IN_FLIGHT: Final = _gauge("writes_waiting", "Writes that wait for a verdict.", workers="livesum")

# Query API.
CONSISTENCY_WAIT: Final = _seconds("consistency_wait", "Time that a read waited for its consistency token's state.")
CHANGE_FEED_CLIENTS: Final = _gauge("change_feed_clients", "Clients that follow the changes.", workers="livesum")
CHANGE_FEED_EVENTS: Final = _counter("change_feed_events_total", "Changes sent, counted for each client.")
CHANGE_FEED_FALLEN_BEHIND: Final = _counter(
    "change_feed_fallen_behind_total", "Times that a client was slower than the changes and had to catch up by itself."
)
CHANGE_FEED_RESETS: Final = _counter(
    "change_feed_resets_total", "Clients told to load the users again, by reason: too-old, other-log.", "reason"
)

# Projector.
RECORDS: Final = _counter(
    "projector_records_total",
    "Records of the log that were projected, by kind (event or control type) and verdict.",
    "kind",
    "verdict",
)
VOID_EVENTS: Final = _beginning_at_zero(
    _counter(
        "projector_void_events_total",
        "Events judged void by reason: void_epoch, void_deadline, void_sequence, void_erased.",
        "reason",
    ),
    "void_epoch",
    "void_deadline",
    "void_sequence",
    "void_erased",
)
DUPLICATE_EVENTS: Final = _counter(
    "projector_duplicate_events_total", "Copies of an event id that was judged before. Must stay zero."
)
DOUBLE_OWNERS: Final = _gauge(
    "projector_double_owners", "Unique values that two users claim while all partitions are caught up. Must stay zero."
)
QUARANTINED_RECORDS: Final = _beginning_at_zero(
    _counter(
        "projector_quarantined_records_total",
        "Records quarantined by reason: undecodable; unfit, so its user is parked; waiting behind such an event.",
        "reason",
    ),
    "undecodable",
    "unfit",
    "waiting",
)
PARKED_USERS: Final = _gauge("projector_parked_users", "Users whose documents wait in quarantine for an operator.")
BATCH_SIZE: Final = Histogram(
    "projector_batch_records",
    "Records applied to Redis in one step.",
    namespace=_NAMESPACE,
    buckets=_BATCH_SIZE_BUCKETS,
)
APPLY_DURATION: Final = _seconds(
    "projector_apply_duration", "Time from asking Redis for what a batch needs to its answer that it was applied."
)
REFUSED_BATCHES: Final = _beginning_at_zero(
    _counter(
        "projector_refused_batches_total",
        "Batches that Redis refused by reason: checkpoint; the projector then seeks the checkpoint.",
        "reason",
    ),
    "checkpoint",
)
LAG_RECORDS: Final = _gauge("projector_lag_records", "Records in the log that are not projected yet.", "partition")
LAG_SECONDS: Final = _gauge(
    "projector_lag_seconds", "Age of the oldest record that is not projected yet; zero when caught up.", "partition"
)
TICKS: Final = _counter("projector_ticks_total", "Tick records appended to move a partition's watermark.")
TOMBSTONES: Final = _counter("projector_tombstones_total", "Tombstones appended for events of erased users.")
ERASED_EVENTS_LEFT: Final = _gauge(
    "projector_erased_events_left",
    "Events of erased users that are still in the log by stage: doomed (no tombstone yet), buried (not compacted yet).",
    "stage",
)
EPOCHS_OPENED: Final = _counter("projector_epochs_opened_total", "Epochs opened by this process.")
GUARD_READY: Final = _gauge("projector_guard_ready", "1 while writes are let in, else 0.")
REBUILD_PROGRESS: Final = _gauge(
    "projector_rebuild_progress_ratio",
    "Part of what the live generation has that a rebuild has filled in beside it, 0 to 1; not there without a rebuild.",
    "partition",
)

# Relay.
RELAYED_EVENTS: Final = _beginning_at_zero(
    _counter("relay_events_total", "Events of the log that were dealt with, by outcome: relayed, void.", "outcome"),
    "relayed",
    "void",
)
RELAYED_STATES: Final = _beginning_at_zero(
    _counter("relay_states_total", "Users' states written for other systems, by kind: document, tombstone.", "kind"),
    "document",
    "tombstone",
)
RELAY_TRANSACTION_DURATION: Final = _seconds(
    "relay_transaction_duration", "Time from the beginning of a Kafka transaction to its commit."
)
RELAY_DELAY: Final = _seconds(
    "relay_delay", "Time from the log's time stamp of an accepted event to the commit that shows it to other systems."
)
# What Kafka answers when another relay has taken over a partition or the name, and when it does not answer.
RELAY_ABORTED_TRANSACTIONS: Final = _beginning_at_zero(
    _counter("relay_aborted_transactions_total", "Kafka transactions that were not committed, by error.", "error"),
    "ProducerFencedError",
    "InvalidProducerEpochError",
    "IllegalGenerationError",
    "KafkaTimeoutError",
)
RELAY_LAG_RECORDS: Final = _gauge("relay_lag_records", "Records in the log that are not relayed yet.", "partition")
RELAY_LAG_SECONDS: Final = _gauge(
    "relay_lag_seconds", "Age of the oldest record that is not relayed yet; zero when caught up.", "partition"
)


def render() -> tuple[bytes, str]:
    """Give the metrics of this service, all of its worker processes together, and their media type."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
