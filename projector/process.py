"""The projector's loop: poll, fold, apply; and beside it ticks, epochs and commits.

Three kinds of trouble are told apart. Retriable (Redis or Kafka does not answer, the checkpoint is elsewhere): nothing
is committed, the partitions go back to their checkpoints. Poison: a record that does not decode goes to the quarantine
topic, an event that cannot be applied parks its user (`projector.documents`); and on. Anything else ends the process,
uncommitted, with its traceback.
"""

import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence

from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from projector.event_log import EventLog
from projector.folding import Decoded, Folding, decode_again
from projector.guard import EpochOpener
from projector.projection import Judgement, LogEntry
from projector.reports import Reports
from projector.settings import ProjectorSettings
from projector.store import ReadModelStore, RedisError
from projector.turns import Turns, take_turns
from read_models.calls import OtherGeneration
from read_models.records import BesidePointer, LivePointer
from runtime import metrics
from user_directory_events import Undecodable, UnknownSchema, decode

_POLL_MS = 100
_HASTY_POLL_MS = 10
_GUARD_EVERY_SECONDS = 0.1
_UPKEEP_EVERY_SECONDS = 1.0
_RETRY_AFTER_SECONDS = 0.2
_SHARES = 2

_Records = Sequence[ConsumerRecord]

OnJudged = Callable[[int, Sequence[Judgement], float, float], None]
"""Takes a partition, what was judged of its events, and when its batch and the applying of it began."""

log = logging.getLogger(__name__)


class Projector:
    """Applies the partitions that the consumer group gives it."""

    def __init__(
        self,
        settings: ProjectorSettings,
        log_id: str,
        store: ReadModelStore,
        connect: Callable[..., EventLog] = EventLog,
        reports: Reports | None = None,
        on_judged: OnJudged | None = None,
    ) -> None:
        self._log_id = log_id
        self._store = store
        self._reports = reports or Reports()
        self._folding = Folding(round(settings.clock_skew_seconds * 1000), settings.change_feed_events_per_partition)
        self._batch_records = settings.projector_batch_records
        self._live: LivePointer | None = None
        self._followed: BesidePointer | None = None
        self._positions: dict[int, int] = {}
        self._behind: dict[int, int] = {}
        self._unplaced: set[int] = set()
        self._stopped: dict[int, str] = {}
        self._committed: dict[int, int] = {}
        self._moved_at = time.monotonic()
        self._stuck_after = settings.projector_stuck_after_seconds
        self._next_guard = self._next_upkeep = 0.0
        self._on_judged = on_judged
        self._stopping = False
        self._failure: BaseException | None = None
        self._event_log = connect(settings, on_assigned=self._assigned, on_revoked=self._revoked)
        self._opener = EpochOpener(store, self._event_log.append_epoch)

    # --- what health asks

    def stuck_because(self) -> str | None:
        """Say so if nothing has moved for too long: neither a batch nor a time-out. Only a restart helps then.

        While Kafka or Redis is away the loop goes round all the same, as each call gives up after some seconds.
        """
        idle = time.monotonic() - self._moved_at
        return f"the loop has not moved for {idle:.0f} s" if idle > self._stuck_after else None

    def not_ready_because(self) -> str | None:
        """Say why records wait, or None."""
        if self._stopped:
            return "; ".join(f"partition {partition}: {reason}" for partition, reason in self._stopped.items())
        if self._unplaced:
            return f"{len(self._unplaced)} partitions wait for Redis"
        return None

    # --- the loop

    def stop(self) -> None:
        """End `run` after the batch in hand."""
        self._stopping = True

    def fail(self, error: BaseException) -> None:
        """End `run` after the batch in hand, with this error."""
        self._failure = error
        self._stopping = True

    def partitions(self) -> tuple[int, ...]:
        """Return the partitions that are applied at the moment; from any thread."""
        return tuple(self._positions)

    def run(self) -> None:
        """Project until stopped, then leave the group."""
        try:
            while not self._stopping:
                self._moved_at = time.monotonic()
                try:
                    self._step()
                except OtherGeneration:
                    log.info("generations changed")
                    self._back_to_checkpoint(list(self._positions))
                except (RedisError, KafkaError) as error:
                    log.warning("step failed", extra={"error": type(error).__name__, "reason": str(error)})
                    metrics.GUARD_READY.set(0)  # until a step says otherwise: with Redis gone nobody is let in
                    self._back_to_checkpoint(list(self._positions))
                    time.sleep(_RETRY_AFTER_SECONDS)
        finally:
            self._event_log.close()
        if self._failure is not None:
            raise self._failure

    def _step(self) -> None:
        polled = self._event_log.poll(_HASTY_POLL_MS if self._unplaced else _POLL_MS)
        if self._unplaced:
            self._place()
        if self._live is not None and polled:
            self._project(self._live, polled)
        now = time.monotonic()
        if self._live is not None and now >= self._next_guard and 0 in self._positions:
            self._next_guard = now + _GUARD_EVERY_SECONDS
            self._opener.step(self._live, self._confirm_ownership)
        if self._live is not None and now >= self._next_upkeep:
            self._next_upkeep = now + _UPKEEP_EVERY_SECONDS
            self._upkeep(self._live)

    # --- partitions come and go

    def _assigned(self, partitions: set[int]) -> None:
        log.info("partitions assigned", extra={"partitions": sorted(partitions)})
        self._unplaced |= partitions

    def _revoked(self, partitions: set[int]) -> None:
        log.info("partitions revoked", extra={"partitions": sorted(partitions)})
        self._unplaced -= partitions
        for partition in partitions:
            self._positions.pop(partition, None)
            self._behind.pop(partition, None)
            self._stopped.pop(partition, None)
            self._committed.pop(partition, None)
            self._reports.forget(partition)
        if 0 in partitions:
            self._opener.abandon()

    def _back_to_checkpoint(self, partitions: Sequence[int]) -> None:
        for partition in partitions:
            self._event_log.hold(partition)
            self._positions.pop(partition, None)
            self._behind.pop(partition, None)
            self._unplaced.add(partition)

    def _place(self) -> None:
        """Read on from the checkpoints in Redis, which alone know what was applied."""
        partitions = sorted(self._unplaced)
        self._live = self._store.begin(self._log_id, self._event_log.first_positions(partitions))
        self._followed = self._store.followed()
        beside = self._store.progress(self._followed, partitions) if self._followed else {}
        for partition, progress in self._store.progress(self._live, partitions).items():
            start = progress.position
            if partition in beside and beside[partition].position < start:
                start = self._behind[partition] = beside[partition].position
            self._event_log.place(partition, start)
            self._positions[partition] = progress.position
            self._unplaced.discard(partition)

    # --- records

    def _project(self, live: LivePointer, polled: Mapping[int, Sequence[ConsumerRecord]]) -> None:
        waiting = {p: self._without_gap(live, p, records) for p, records in polled.items() if p in self._positions}
        waiting = {p: records for p, records in waiting.items() if records and p in self._positions}
        take_turns([self._project_some(live, some) for some in self._shares(waiting)])

    def _shares(self, waiting: Mapping[int, _Records]) -> list[dict[int, _Records]]:
        """Share the partitions out: Redis applies the one half's batches while the other's are computed."""
        if sum(map(len, waiting.values())) <= self._batch_records:
            return [dict(waiting)]
        return [dict(list(waiting.items())[share::_SHARES]) for share in range(_SHARES)]

    def _project_some(self, live: LivePointer, waiting: Mapping[int, _Records]) -> Turns:
        while waiting:
            self._moved_at = time.monotonic()
            turn = [self._decode(p, records[: self._batch_records]) for p, records in waiting.items()]
            refused = yield from self._apply(
                live, [decoded for decoded in turn if decoded.next_position > decoded.position]
            )
            waiting = {
                p: records[self._batch_records :]
                for p, records in waiting.items()
                if len(records) > self._batch_records and p not in refused and p not in self._stopped
            }

    def _without_gap(
        self, live: LivePointer, partition: int, records: Sequence[ConsumerRecord]
    ) -> list[ConsumerRecord]:
        """Give the generation that follows what only the live one has; return the records that neither has."""
        records = list(records)
        if self._followed is None or partition not in self._behind:
            return records
        end = self._positions[partition]
        gap = [record for record in records if record.offset < end]
        closed = len(gap) < len(records) or gap[-1].offset + 1 == end
        for first in range(0, max(len(gap), 1), self._batch_records):
            some = gap[first : first + self._batch_records]
            try:
                decoded = decode_again(partition, self._behind[partition], some)
            except UnknownSchema as error:
                self._stop_partition(partition, some[0].offset, str(error))
                return []
            if closed and first + len(some) == len(gap):
                # Between the last record and the checkpoint there may be offsets without records.
                decoded.next_position = end
            folded = self._folding.fold(self._store, self._followed, [decoded])
            if partition not in folded or self._store.catch_up(live, self._followed, folded[partition][0]) == "refused":
                self._back_to_checkpoint([partition])
                return []
            self._behind[partition] = decoded.next_position
        if closed:
            del self._behind[partition]
        return records[len(gap) :]

    def _decode(self, partition: int, records: Sequence[ConsumerRecord]) -> Decoded:
        position = next_position = self._positions[partition]
        entries = []
        for record in records:
            try:
                # A tombstone says that an event was erased, and that is all it says.
                if record.value is not None:
                    entries.append(LogEntry(record.offset, record.timestamp, decode(record.value)))
            except Undecodable as error:
                self._event_log.quarantine(partition, record, str(error))
                self._moved_at = time.monotonic()
                metrics.QUARANTINED_RECORDS.labels("undecodable").inc()
                extra = {"partition": partition, "offset": record.offset, "reason": str(error)}
                log.error("record quarantined", extra=extra)  # noqa: TRY400 - no trace: the fault is the record's
            except UnknownSchema as error:
                self._stop_partition(partition, record.offset, str(error))
                break
            next_position = record.offset + 1
        return Decoded(partition, position, next_position, entries)

    def _stop_partition(self, partition: int, offset: int, reason: str) -> None:
        """Stand still before a record of a newer release: to skip it would be to lose it."""
        self._event_log.hold(partition)
        self._stopped[partition] = f"{reason} (offset {offset}): deploy a projector that knows it"
        log.error("partition stopped", extra={"partition": partition, "offset": offset, "reason": reason})

    def _apply(self, live: LivePointer, turn: Sequence[Decoded]) -> Generator[None, None, set[int]]:
        """Apply one batch per partition, and yield where it waits for Redis; return whose batch was refused."""
        started = time.perf_counter()
        followed = self._followed
        folding = self._folding.begin_fold(self._store, live, turn)
        folding_beside = self._folding.begin_fold(self._store, followed, turn) if followed else None
        yield
        folded = folding()
        beside = folding_beside() if folding_beside else {}
        fit = folded.keys() & beside.keys() if followed else folded.keys()
        ready = [(*folded[decoded.partition], decoded) for decoded in turn if decoded.partition in fit]
        applying_since = time.perf_counter()
        if followed is None:
            applying = self._store.begin_apply(live, [batch for batch, _, _ in ready])
        else:
            pairs = [(batch, beside[batch.partition][0]) for batch, _, _ in ready]
            applying = self._store.begin_apply_to_both(live, followed, pairs)
        yield
        refused = {decoded.partition for decoded in turn} - fit
        for (batch, judgements, decoded), reply in zip(ready, applying(), strict=True):
            if reply == "refused":
                refused.add(batch.partition)
                continue
            self._positions[batch.partition] = batch.progress.position
            self._reports.projected(batch.partition, decoded.entries, judgements)
            if self._on_judged is not None:
                self._on_judged(batch.partition, judgements, started, applying_since)
        metrics.APPLY_DURATION.observe(time.perf_counter() - started)
        if refused:
            metrics.REFUSED_BATCHES.labels("checkpoint").inc(len(refused))
            log.warning("batch refused", extra={"partitions": sorted(refused)})
            self._back_to_checkpoint(sorted(refused))
        return refused

    # --- beside the records

    def _upkeep(self, live: LivePointer) -> None:
        placed = sorted(self._positions)
        if placed and self._store.followed() != self._followed:
            # Also a partition in which nothing happens has to be followed.
            raise OtherGeneration
        self._reports.rebuilt(placed, self._store.rebuild_progress(live, placed))
        for partition in self._store.overdue(placed):
            # A busy partition moves its watermark by itself.
            if self._reports.is_idle(partition, _UPKEEP_EVERY_SECONDS):
                self._event_log.append_tick(partition)
                metrics.TICKS.inc()
        metrics.PARKED_USERS.set(self._store.parked(live))
        caught_up = self._reports.lags(placed, lambda p: self._event_log.lag(p, self._positions[p]))
        if caught_up and placed:
            # Other projectors' partitions may still be behind, so one reading is a hint; a value that stays is a fault.
            metrics.DOUBLE_OWNERS.set(self._store.conflicts(live))
        if self._positions != self._committed:
            self._confirm_ownership()

    def _confirm_ownership(self) -> None:
        """Commit the positions, which only a member of the group's present generation can."""
        positions = dict(self._positions)
        if positions:
            self._event_log.commit(positions)
            self._committed = positions
