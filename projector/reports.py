"""What the projector tells others of its work: metrics, and a line of the log for what one would look for."""

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from projector.projection import Judgement, LogEntry
from runtime import metrics
from runtime.context import trace_id_of
from runtime.logs import LineWriter
from user_directory_events import UserEvent, Verdict

LOGGER = __name__
_LIVE_WITHIN_MS = 60_000
_OF_A_PARTITION = (metrics.LAG_RECORDS, metrics.LAG_SECONDS, metrics.REBUILD_PROGRESS)

log = logging.getLogger(LOGGER)


class Reports:
    """Tells of one process's partitions; `write` writes a line for each accepted event of this minute."""

    def __init__(self, write: LineWriter | None = None) -> None:
        self._write = write
        self._last_projected: dict[int, int] = {}

    def projected(self, partition: int, entries: Sequence[LogEntry], judgements: Sequence[Judgement]) -> None:
        """Tell of a batch that was applied."""
        metrics.BATCH_SIZE.observe(len(entries))
        if entries:
            self._last_projected[partition] = entries[-1].timestamp
        records = Counter((_kind(entry), "") for entry in entries if not isinstance(entry.record, UserEvent))
        live_since = time.time() * 1000 - _LIVE_WITHIN_MS
        for judgement in judgements:
            if judgement.verdict is not None:
                records["event", judgement.verdict.name.lower()] += 1
            if judgement.verdict is not Verdict.ACCEPTED or judgement.fault is not None:
                _tell_trouble(partition, judgement)
            elif self._write is not None and judgement.entry.timestamp >= live_since:
                self._write("event projected", {**_where(partition, judgement), "type": judgement.event.type})
        for labels, count in records.items():
            metrics.RECORDS.labels(*labels).inc(count)

    def is_idle(self, partition: int, seconds: float) -> bool:
        """Say whether nothing was appended to a partition for so long, as far as it is projected."""
        return self._last_projected.get(partition, 0) < (time.time() - seconds) * 1000

    def lags(self, partitions: Iterable[int], lag_of: Callable[[int], int | None]) -> bool:
        """Tell how many records behind each partition is, None where that is not known; return whether none is."""
        caught_up = True
        for partition in partitions:
            lag = lag_of(partition)
            caught_up = caught_up and lag == 0
            if lag is not None:
                metrics.LAG_RECORDS.labels(str(partition)).set(lag)
                # A process that has projected nothing yet counts from its first look: its first record may be stuck.
                since = self._last_projected.setdefault(partition, round(time.time() * 1000)) if lag else 0
                metrics.LAG_SECONDS.labels(str(partition)).set(time.time() - since / 1000 if lag else 0)
        return caught_up

    def rebuilt(self, partitions: Iterable[int], progress: Mapping[int, float]) -> None:
        """Tell how far a rebuild is, as far as there is one."""
        for partition in partitions:
            if partition in progress:
                metrics.REBUILD_PROGRESS.labels(str(partition)).set(progress[partition])
            else:
                with contextlib.suppress(KeyError):
                    metrics.REBUILD_PROGRESS.remove(str(partition))

    def forget(self, partition: int) -> None:
        """Tell nothing more of a partition: another process does from now on."""
        self._last_projected.pop(partition, None)
        for gauge in _OF_A_PARTITION:
            with contextlib.suppress(KeyError):
                gauge.remove(str(partition))


def _tell_trouble(partition: int, judgement: Judgement) -> None:
    where, verdict = _where(partition, judgement), judgement.verdict
    if verdict is None:
        metrics.DUPLICATE_EVENTS.inc()
        log.error("duplicate event ignored", extra=where)
    elif verdict is not Verdict.ACCEPTED:
        metrics.VOID_EVENTS.labels(verdict.name.lower()).inc()
        log.warning("event void", extra={**where, "reason": verdict.value})
    else:
        metrics.QUARANTINED_RECORDS.labels("unfit" if judgement.parks else "waiting").inc()
        log.error("user parked" if judgement.parks else "event waits", extra={**where, "reason": judgement.fault})


def _kind(entry: LogEntry) -> str:
    return entry.record.type.removeprefix("log.")


def _where(partition: int, judgement: Judgement) -> dict[str, object]:
    event = judgement.event
    return {
        "partition": partition,
        "offset": judgement.entry.offset,
        "event_id": event.id,
        "user_id": event.subject,
        "sequence": event.sequence,
        "traceparent": event.traceparent,
        "trace_id": event.traceparent and trace_id_of(event.traceparent),
        "correlation_id": event.correlationid,
    }
