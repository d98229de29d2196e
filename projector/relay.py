"""The relay's loop: poll, wait for the projector, tell other systems in one Kafka transaction.

Accepted or void is what the read models say: the user's history has this event, from this place, or it has not. They
are asked only about what the projector has passed, so the relay waits for it and it never waits for the relay.
"""

import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from projector.relay_selection import LogEvent, PublicChange, PublicState, oldest_first, select
from projector.relay_store import NotProjected, RedisError, RelayStore
from projector.relay_topics import PublicTopics
from projector.settings import RelaySettings
from runtime import metrics
from user_directory_events import EventsDiscarded, ReplayRequested, Undecodable, UnknownSchema, UserEvent, decode

_POLL_MS = 100
_HASTY_POLL_MS = 10
_RETRY_AFTER_SECONDS = 0.2
_UPKEEP_EVERY_SECONDS = 1.0
_COMMIT_EVERY_SECONDS = 5.0
_MOST_BATCHES_WAITING = 4

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Reading:
    """One partition: what was read and is not relayed yet.

    `relayed` is the position that was committed, `read` the one behind the last record that was polled.
    """

    relayed: int
    read: int
    waiting: deque[LogEvent] = field(default_factory=deque)
    timestamp: int | None = None
    held: bool = False

    def passed(self, projected: int) -> Iterator[LogEvent]:
        """Return the waiting events that the projector, which is at this position, has passed."""
        return takewhile(lambda entry: entry.offset < projected, self.waiting)

    def position_behind(self, count: int) -> int:
        """Return the position at which only the first `count` of the waiting events are dealt with."""
        return self.waiting[count].offset if count < len(self.waiting) else self.read

    def forget(self, count: int, position: int) -> None:
        """Drop the first `count` of the waiting events, as the position behind them is committed."""
        for _ in range(count):
            self.waiting.popleft()
        self.relayed = position


OnRelayed = Callable[[Sequence[PublicChange], float], None]
"""Takes what was relayed in one transaction, and when that began by `time.monotonic`."""


class Relay:
    """Relays the partitions that the consumer group gives it."""

    def __init__(
        self,
        settings: RelaySettings,
        store: RelayStore,
        connect: Callable[..., PublicTopics] = PublicTopics,
        on_relayed: OnRelayed | None = None,
    ) -> None:
        self._store = store
        self._batch_events = settings.relay_batch_events
        self._most_waiting = _MOST_BATCHES_WAITING * settings.relay_batch_events
        self._readings: dict[int, _Reading] = {}
        self._unplaced: set[int] = set()
        self._stopped: dict[int, str] = {}
        self._away: str | None = None
        self._stuck_after = settings.projector_stuck_after_seconds
        self._looped_at = self._committed_at = time.monotonic()
        self._next_upkeep = 0.0
        self._on_relayed = on_relayed
        self._stopping = False
        self._topics = connect(settings, on_assigned=self._assigned, on_revoked=self._revoked)

    # --- what health asks

    def stuck_because(self) -> str | None:
        """Say so if the loop has not gone round for too long. Only a restart helps then."""
        idle = time.monotonic() - self._looped_at
        return f"the loop has not gone round for {idle:.0f} s" if idle > self._stuck_after else None

    def not_ready_because(self) -> str | None:
        """Say why nothing is relayed, or None. Waiting for the projector is no reason: it shows as lag."""
        if self._stopped:
            return "; ".join(f"partition {partition}: {reason}" for partition, reason in self._stopped.items())
        if self._unplaced:
            return f"{len(self._unplaced)} partitions wait for Kafka"
        return self._away

    # --- the loop

    def stop(self) -> None:
        """End `run` after the transaction in hand."""
        self._stopping = True

    def run(self) -> None:
        """Relay until stopped, then leave the group."""
        try:
            while not self._stopping:
                self._looped_at = time.monotonic()
                try:
                    self._step()
                    self._away = None
                except (RedisError, KafkaError, NotProjected) as error:
                    log.warning("step failed", extra={"error": type(error).__name__, "reason": str(error)})
                    self._away = f"{type(error).__name__} {error}".strip()
                    time.sleep(_RETRY_AFTER_SECONDS)
        finally:
            self._topics.close()

    def _step(self) -> None:
        for partition, records in self._topics.poll(_HASTY_POLL_MS if self._unplaced else _POLL_MS).items():
            reading = self._readings.get(partition)
            if reading is not None and partition not in self._stopped:
                self._take(partition, reading, records)
        if self._unplaced:
            self._place()
        self._relay()
        now = time.monotonic()
        if now >= self._next_upkeep:
            self._next_upkeep = now + _UPKEEP_EVERY_SECONDS
            self._upkeep()

    # --- partitions come and go

    def _assigned(self, partitions: set[int]) -> None:
        log.info("partitions assigned", extra={"partitions": sorted(partitions)})
        self._unplaced |= partitions

    def _revoked(self, partitions: set[int]) -> None:
        log.info("partitions revoked", extra={"partitions": sorted(partitions)})
        self._unplaced -= partitions
        for partition in partitions:
            self._readings.pop(partition, None)
            self._stopped.pop(partition, None)
            # Another process tells them from now on.
            for gauge in (metrics.RELAY_LAG_RECORDS, metrics.RELAY_LAG_SECONDS):
                with contextlib.suppress(KeyError):
                    gauge.remove(str(partition))

    def _place(self) -> None:
        """Read on from what is committed, which alone tells what was relayed."""
        for partition, position in self._topics.committed(sorted(self._unplaced)).items():
            self._topics.place(partition, position)
            self._readings[partition] = _Reading(position, position)
            self._unplaced.discard(partition)

    def _back_to_committed(self) -> None:
        for partition in self._readings:
            self._topics.hold(partition)
        self._unplaced |= set(self._readings)
        self._readings.clear()
        self._stopped.clear()

    # --- records

    def _take(self, partition: int, reading: _Reading, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            try:
                # A tombstone says that an event was erased, and that is all it says.
                event = decode(record.value) if record.value is not None else None
            except Undecodable:
                # Void for every reader; the projector keeps it in the quarantine.
                event = None
            except UnknownSchema as error:
                self._stop_partition(partition, record.offset, str(error))
                break
            if isinstance(event, UserEvent | EventsDiscarded | ReplayRequested):
                reading.waiting.append(LogEvent(partition, record.offset, record.timestamp, event))
            reading.read, reading.timestamp = record.offset + 1, record.timestamp
        if partition not in self._stopped and len(reading.waiting) >= self._most_waiting:
            self._topics.hold(partition)
            reading.held = True

    def _stop_partition(self, partition: int, offset: int, reason: str) -> None:
        """Stand still before a record of a newer release: to skip it would be to lose it."""
        self._topics.hold(partition)
        self._stopped[partition] = f"{reason} (offset {offset}): deploy a relay that knows it"
        log.error("partition stopped", extra={"partition": partition, "offset": offset, "reason": reason})

    def _relay(self) -> None:
        """Relay what the projector has passed, at most a batch."""
        waiting = [partition for partition, reading in self._readings.items() if reading.waiting]
        # Asked also when nothing waits: that Redis cannot be used shall be known before something does.
        projected = self._store.positions(waiting)
        events = oldest_first([self._readings[p].passed(projected.get(p, 0)) for p in waiting], self._batch_events)
        if events:
            changes, states, void = select(events, self._store.look(events))
            self._commit(changes, states, Counter(entry.partition for entry in events))
            metrics.RELAYED_EVENTS.labels("void").inc(len(void))
        elif time.monotonic() >= self._committed_at + _COMMIT_EVERY_SECONDS:
            self._commit([], [], {})

    def _commit(self, changes: Sequence[PublicChange], states: Sequence[PublicState], taken: Mapping[int, int]) -> None:
        """Write all, and commit the positions behind the first events of partitions, as many as were taken of each."""
        positions = {p: reading.position_behind(taken.get(p, 0)) for p, reading in self._readings.items()}
        positions = {p: position for p, position in positions.items() if position > self._readings[p].relayed}
        self._committed_at = started = time.monotonic()
        if not positions:
            return
        try:
            self._topics.commit(changes, states, positions)
        except KafkaError as error:
            metrics.RELAY_ABORTED_TRANSACTIONS.labels(type(error).__name__).inc()
            self._back_to_committed()
            raise
        metrics.RELAY_TRANSACTION_DURATION.observe(time.monotonic() - started)
        for partition, position in positions.items():
            self._readings[partition].forget(taken.get(partition, 0), position)
        self._release()
        _report(changes, states)
        if self._on_relayed is not None:
            self._on_relayed(changes, started)

    def _release(self) -> None:
        for partition, reading in self._readings.items():
            if reading.held and len(reading.waiting) < self._most_waiting:
                self._topics.release(partition)
                reading.held = False

    # --- what others see

    def _upkeep(self) -> None:
        now = time.time()
        for partition, reading in self._readings.items():
            lag = self._topics.lag(partition, reading.position_behind(0))
            if lag is not None:
                oldest = reading.waiting[0].timestamp if reading.waiting else reading.timestamp
                metrics.RELAY_LAG_RECORDS.labels(str(partition)).set(lag)
                metrics.RELAY_LAG_SECONDS.labels(str(partition)).set(now - oldest / 1000 if lag and oldest else 0)


def _report(changes: Sequence[PublicChange], states: Sequence[PublicState]) -> None:
    now = time.time()
    metrics.RELAYED_EVENTS.labels("relayed").inc(len(changes))
    for change in changes:
        metrics.RELAY_DELAY.observe(max(0.0, now - change.timestamp / 1000))
    for state in states:
        metrics.RELAYED_STATES.labels("tombstone" if state.document is None else "document").inc()
