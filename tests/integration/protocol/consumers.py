"""What the projector does: one partition of it, and the opening of epochs, on whichever server it is connected to."""

from collections.abc import Mapping

from projector.projection import histories_needed, project
from projector.store import ReadModelStore
from read_models.calls import OtherGeneration
from read_models.projector_calls import Batch, Declared, GuardState
from read_models.records import LivePointer
from tests.integration.protocol.log import SimulatedLog
from tests.integration.protocol.servers import Server
from user_directory_events import UserEvent


class Consumer:
    """Projects one partition; goes back to the checkpoint whenever it finds itself elsewhere."""

    def __init__(self, log: SimulatedLog, partition: int, server: Server, live: LivePointer, margin_ms: int) -> None:
        self.partition = partition
        self.server = server
        self.position: int | None = None
        self._log, self._live, self._margin_ms = log, live, margin_ms

    @property
    def store(self) -> ReadModelStore:
        """Return the read models that it writes."""
        return self.server.store

    def place(self) -> int:
        """Return where to read on."""
        if self.position is None:
            self.store.begin(self._live.log_id, {self.partition: 0})
            self.position = self.store.progress(self._live, [self.partition])[self.partition].position
        return self.position

    def prepare(self, now: int, most: int) -> Batch | None:
        """Fold the next records that can be seen over what Redis holds; None: there are none, or it is elsewhere."""
        position = self.place()
        entries = self._log.read(self.partition, position, now, most)
        if not entries:
            return None
        events = [entry.record for entry in entries if isinstance(entry.record, UserEvent)]
        checkpoint = self.store.load(self._live, {self.partition: sorted({e.subject for e in events})})[self.partition]
        if checkpoint.progress is None or checkpoint.progress.position != position:
            self.position = None
            return None
        versions = {user: record.version for user, record in checkpoint.records.items()}
        old = [(e.id, e.subject, e.sequence) for e in events if e.sequence <= versions.get(e.subject, 0)]
        batch, _ = project(
            entries,
            partition=self.partition,
            position=position,
            next_position=entries[-1].offset + 1,
            progress=checkpoint.progress,
            records=checkpoint.records,
            known_ids=self.store.known_ids(self._live, old),
            keys=self.store.keys.generation(self._live.generation),
            skew_ms=self._margin_ms,
            histories=self.store.histories(self._live, histories_needed(entries, checkpoint.records)),
        )
        return batch

    def apply(self, batch: Batch) -> None:
        """Apply a batch, and go on behind it, or go back to the checkpoint."""
        self.position = batch.progress.position if apply(self.store, self._live, batch) else None


def apply(store: ReadModelStore, live: LivePointer, batch: Batch) -> bool:
    """Apply one batch; say whether it was not refused."""
    try:
        return store.apply(live, [batch]) == ["applied"]
    except OtherGeneration:
        return False


class ConnectedStore:
    """The guard as its opener sees it: on the server that the consumer of partition 0 is then connected to."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def guard_state(self, opening: str | None) -> GuardState:
        return self._consumer.store.guard_state(opening)

    def open_guard(self, epoch: str) -> None:
        self._consumer.store.open_guard(epoch)

    def declare_ready(self, live: LivePointer, epoch: str, offsets: Mapping[int, int]) -> Declared:
        return self._consumer.store.declare_ready(live, epoch, offsets)
