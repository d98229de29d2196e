"""A log in a list, and the projector's own calculation over it, without Kafka and without a process."""

from collections.abc import Sequence

from projector.projection import Judgement, LogEntry, histories_needed, project, user_of
from projector.store import ReadModelStore
from read_models.projector_calls import Batch
from user_directory_events import (
    EpochOpened,
    EpochOpenedData,
    LogRecord,
    UserEvent,
    new_event_id,
)
from user_directory_events.timestamps import from_milliseconds


class SmallProjector:
    """Appends to the partitions of a log, and projects them into read models when told to."""

    def __init__(self, store: ReadModelStore, *, partitions: int = 1, skew_ms: int = 2000) -> None:
        self.store = store
        self.log_id = new_event_id()
        self.partitions: list[list[LogEntry]] = [[] for _ in range(partitions)]
        self.judgements: list[Judgement] = []
        self._skew_ms = skew_ms
        self._live = store.begin(self.log_id, dict.fromkeys(range(partitions), 0))

    def append(self, record: LogRecord, timestamp: int, partition: int = 0) -> int:
        """Append a record, stamped by the broker in milliseconds; return its offset."""
        entries = self.partitions[partition]
        entries.append(LogEntry(len(entries), timestamp, record))
        return len(entries) - 1

    def project(self, partition: int = 0, up_to: int | None = None) -> Sequence[Judgement]:
        """Apply what follows the checkpoint, up to an offset, in one batch; return the verdicts."""
        batch, judgements = self.batch(partition, up_to)
        assert self.store.apply(self._live, [batch]) == ["applied"]
        self.judgements += judgements
        return judgements

    def project_all(self) -> None:
        """Apply all that follows the checkpoints."""
        for partition in range(len(self.partitions)):
            self.project(partition)

    def batch(self, partition: int = 0, up_to: int | None = None) -> tuple[Batch, list[Judgement]]:
        """Compute the next batch of a partition as the projector's process does."""
        progress = self.store.progress(self._live, [partition])[partition]
        entries = self.partitions[partition][progress.position : up_to]
        events = [entry.record for entry in entries if isinstance(entry.record, UserEvent)]
        users = sorted({user for entry in entries if (user := user_of(entry.record)) is not None})
        checkpoint = self.store.load(self._live, {partition: users})[partition]
        versions = {user_id: record.version for user_id, record in checkpoint.records.items()}
        old = [event for event in events if event.sequence <= versions.get(event.subject, 0)]
        return project(
            entries,
            partition=partition,
            position=progress.position,
            next_position=progress.position + len(entries),
            progress=progress,
            records=checkpoint.records,
            known_ids=self.store.known_ids(self._live, [(event.id, event.subject, event.sequence) for event in old]),
            keys=self.store.keys.generation(self._live.generation),
            skew_ms=self._skew_ms,
            histories=self.store.histories(self._live, histories_needed(entries, checkpoint.records)),
        )

    def open_epoch(self, epoch: str, timestamp: int) -> None:
        """Open an epoch in every partition, and let writes in."""
        self.store.open_guard(epoch)
        offsets = {}
        for partition in range(len(self.partitions)):
            record = EpochOpened(
                id=new_event_id(), time=from_milliseconds(timestamp), data=EpochOpenedData(epoch=epoch)
            )
            offsets[partition] = self.append(record, timestamp, partition)
        self.project_all()
        assert self.store.declare_ready(self._live, epoch, offsets) == "ready"
