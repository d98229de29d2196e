"""Following: load `users` partition by partition, then tell each change that is news."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from user_directory_events.consumer.checkpoint import Checkpoint, Place
from user_directory_events.consumer.items import Changed, Item, Loaded
from user_directory_events.consumer.overlap import KnownVersion, MemoryVersions, is_news
from user_directory_events.consumer.topics import CheckpointUnfit, TopicRecord, Topics
from user_directory_events.public_topics import decode_change, decode_state

_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Batch:
    """What is told at once.

    Args:
        items: in order for each user. A load is done before the first change of its partition.
        checkpoint: where to go on behind the batch; store it together with what you make of the items.
    """

    items: Sequence[Item]
    checkpoint: Checkpoint

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)


@dataclass(frozen=True, slots=True)
class Progress:
    """What happened in one partition within a poll, for your metrics.

    Args:
        partition: the partition.
        loaded: how many states were told.
        told: how many changes were told.
        dropped: how many changes were no news, as the loaded state held them.
        position: the next offset of `user-changes`.
        timestamp: when the log took the newest change, in milliseconds since 1970; None: there was none.
    """

    partition: int
    loaded: int
    told: int
    dropped: int
    position: int
    timestamp: int | None


class Follower:
    """A reader of the directory; iterate over it, or call `poll`.

    With a consumer group a batch is committed when the next one is asked for: at least once. With a checkpoint that is
    stored in one transaction with what is made of the batch, its effect is exactly once.

    Args:
        topics: where the records come from.
        checkpoint: of the last batch that was dealt with; None: load everything, or go on where the group is.
        known_version: the version that your store has of a user; by default it is kept in memory, so that after a
            restart changes may be told which the loaded state held already.
        observe: is called with what happened, for metrics.
    """

    def __init__(
        self,
        topics: Topics,
        *,
        checkpoint: Checkpoint | None = None,
        known_version: KnownVersion | None = None,
        observe: Callable[[Progress], None] | None = None,
    ) -> None:
        self._topics = topics
        self._resumed = dict(checkpoint.places) if checkpoint is not None else None
        self._known_version, self._observe = known_version, observe
        self._memory = MemoryVersions()
        self._places: dict[int, Place] = {}
        self._told: dict[str, int] = {}
        self._fault: Exception | None = None
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Batch]:
        """Tell batch after batch, until `stop` is called."""
        while not self._stopping.is_set():
            batch = self.poll(_POLL_SECONDS)
            if batch is not None:
                yield batch

    def to_the_end(self) -> Iterator[Batch]:
        """Tell what is there now, then end: for a job that runs once in a while."""
        ends: Mapping[int, int] | None = None
        while not self._stopping.is_set():
            batch = self.poll(_POLL_SECONDS)
            if batch is not None:
                yield batch
            if ends is None:
                ends = self._topics.ends() if self._places else None
            elif all(p in self._places and self._has_reached(self._places[p], end) for p, end in ends.items()):
                # Nobody asks for another batch, so the last one is committed here.
                self._commit()
                return

    @staticmethod
    def _has_reached(place: Place, end: int) -> bool:
        return not place.loading and place.changes >= end

    @property
    def checkpoint(self) -> Checkpoint:
        """Return where to go on behind all that was told."""
        return Checkpoint(dict(self._places))

    def stop(self) -> None:
        """Let the iteration end; may be called from a signal handler or another thread."""
        self._stopping.set()

    def close(self) -> None:
        """Close the connections; a batch that was told last is not committed."""
        self._topics.close()

    def poll(self, timeout: float) -> Batch | None:
        """Return the next batch, after at most `timeout` seconds; None: nothing is new.

        Raises:
            ChangesMissing: a change of a user was never told.
            CheckpointTooOld: what follows the checkpoint is no longer kept.
            CheckpointUnfit: the checkpoint is not one of these topics.
            Undecodable: a record is none of these topics'.
            UnknownSchema: an event is of a newer release: install it; to go on would be to lose the event.
        """
        if self._fault is not None:
            raise self._fault
        try:
            return self._poll(timeout)
        except Exception as fault:
            # The records are read, so the next poll would go on behind them.
            self._fault = fault
            raise

    def _poll(self, timeout: float) -> Batch | None:
        self._commit()
        records = self._topics.poll(timeout)
        self._rebalance()
        self._told = {}
        items: list[Item] = []
        for partition in sorted({record.partition for record in records} | self._places.keys()):
            if partition in self._places:
                items += self._take(partition, [record for record in records if record.partition == partition])
        moved = self._end_loads()
        return Batch(items, self.checkpoint) if items or moved else None

    def _commit(self) -> None:
        self._topics.commit({p: place.changes for p, place in self._places.items() if not place.loading})

    def _rebalance(self) -> None:
        revoked, assigned = self._topics.rebalanced()
        for partition in revoked:
            self._places.pop(partition, None)
            self._memory.forget(partition)
        if assigned and self._resumed is not None:
            if self._resumed.keys() != assigned:
                raise CheckpointUnfit(
                    f"it is of partitions {sorted(self._resumed)}, the topics have {sorted(assigned)}"
                )
            starts, self._resumed = self._resumed, None
        else:
            starts = {partition: self._start(partition) for partition in assigned}
        for partition, place in starts.items():
            self._topics.place(partition, place)
            self._places[partition] = place

    def _start(self, partition: int) -> Place:
        committed = self._topics.committed(partition)
        if committed is not None:
            return Place(committed)
        self._memory.begin(partition)
        return self._topics.beginning(partition)

    def _take(self, partition: int, records: Sequence[TopicRecord]) -> list[Item]:
        place = self._places[partition]
        items: list[Item] = []
        timestamp = None
        for record in records:
            if record.topic == "users":
                items.append(self._loaded(record))
            else:
                timestamp = record.timestamp
                items += self._changed(record)
        if place.loading:
            place = Place(place.changes, self._topics.position("users", partition), place.until)
        else:
            place = Place(self._topics.position("changes", partition))
        self._places[partition] = place
        if records and self._observe is not None:
            loaded = sum(isinstance(item, Loaded) for item in items)
            changes = sum(record.topic == "changes" for record in records)
            told = len(items) - loaded
            self._observe(Progress(partition, loaded, told, changes - told, place.changes, timestamp))
        return items

    def _loaded(self, record: TopicRecord) -> Loaded:
        user_id, user = record.key.decode(), decode_state(record.value)
        self._memory_tell(record.partition, user_id, None if user is None else user.version)
        return Loaded(record.partition, user_id, user)

    def _changed(self, record: TopicRecord) -> list[Item]:
        event = decode_change(record.value or b"")
        if not is_news(event, self._known(record.partition, event.subject)):
            return []
        self._told[event.subject] = event.sequence
        self._memory_tell(record.partition, event.subject, event.sequence)
        return [Changed(record.partition, record.offset, record.timestamp, event)]

    def _known(self, partition: int, user_id: str) -> int | None:
        if self._known_version is None:
            return self._memory.known(partition, user_id)
        # The store does not have yet what was told within this batch.
        return self._told[user_id] if user_id in self._told else self._known_version(user_id)

    def _memory_tell(self, partition: int, user_id: str, version: int | None) -> None:
        if self._known_version is None:
            self._memory.tell(partition, user_id, version)

    def _end_loads(self) -> bool:
        """Follow those partitions that are loaded; say whether there were some."""
        ended = False
        for partition, place in self._places.items():
            if place.users is not None and place.until is not None and place.users >= place.until:
                self._places[partition] = Place(place.changes)
                self._topics.place(partition, self._places[partition])
                ended = True
        return ended
