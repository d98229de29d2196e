"""Records of several partitions folded over what a generation holds: read, compute, and nothing written yet."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kafka.consumer.fetcher import ConsumerRecord

from projector.projection import Judgement, LogEntry, histories_needed, project, user_of
from projector.requests_ahead import Later
from projector.store import Checkpoint, ReadModelStore
from read_models.projector_calls import Batch
from read_models.records import BesidePointer, LivePointer
from user_directory_events import Undecodable, UserEvent, decode


@dataclass(slots=True)
class Decoded:
    """Records of one partition that follow one another, decoded; what could not be is left out of `entries`."""

    partition: int
    position: int
    next_position: int
    entries: list[LogEntry]

    def users(self) -> list[str]:
        """Return the users whom a record is about."""
        return sorted({user for entry in self.entries if (user := user_of(entry.record)) is not None})

    def events(self) -> list[UserEvent]:
        """Return the events of users."""
        return [entry.record for entry in self.entries if isinstance(entry.record, UserEvent)]


def decode_again(partition: int, position: int, records: Sequence[ConsumerRecord]) -> Decoded:
    """Decode records that were projected before: what could not be decoded then is in the quarantine already.

    Raises:
        UnknownSchema: a record is of a newer release.
    """
    decoded = Decoded(partition, position, position, [])
    for record in records:
        if record.value is not None:
            with suppress(Undecodable):
                decoded.entries.append(LogEntry(record.offset, record.timestamp, decode(record.value)))
        decoded.next_position = record.offset + 1
    return decoded


@dataclass(frozen=True, slots=True)
class Folding:
    """How records are folded: the brokers' clock skew in milliseconds, and how many events a change feed keeps."""

    skew_ms: int
    feed_events: int

    def fold(
        self, store: ReadModelStore, generation: LivePointer | BesidePointer, turn: Sequence[Decoded]
    ) -> dict[int, tuple[Batch, list[Judgement]]]:
        """Return a batch for each partition; one whose checkpoint is elsewhere has none."""
        return self.begin_fold(store, generation, turn)()

    def begin_fold(
        self, store: ReadModelStore, generation: LivePointer | BesidePointer, turn: Sequence[Decoded]
    ) -> Later[dict[int, tuple[Batch, list[Judgement]]]]:
        """Ask for what has to be known; the result is that of `fold`."""
        loading = store.begin_load(generation, {d.partition: d.users() for d in turn})
        return lambda: self._fold(store, generation, turn, loading())

    def _fold(
        self,
        store: ReadModelStore,
        generation: LivePointer | BesidePointer,
        turn: Sequence[Decoded],
        checkpoints: Mapping[int, Checkpoint],
    ) -> dict[int, tuple[Batch, list[Judgement]]]:
        folded = {}
        for decoded in turn:
            checkpoint = checkpoints[decoded.partition]
            if checkpoint.progress is None or checkpoint.progress.position != decoded.position:
                continue
            versions = {user: record.version for user, record in checkpoint.records.items()}
            old = [e for e in decoded.events() if e.sequence <= versions.get(e.subject, 0)]
            folded[decoded.partition] = project(
                decoded.entries,
                partition=decoded.partition,
                position=decoded.position,
                next_position=decoded.next_position,
                progress=checkpoint.progress,
                records=checkpoint.records,
                known_ids=store.known_ids(generation, [(e.id, e.subject, e.sequence) for e in old]),
                keys=store.keys.generation(generation.generation),
                skew_ms=self.skew_ms,
                feed_events=self.feed_events,
                histories=store.histories(generation, histories_needed(decoded.entries, checkpoint.records)),
            )
        return folded
