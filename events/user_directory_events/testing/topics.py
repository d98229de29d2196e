"""The two public topics in memory, with as many readers as you like."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from user_directory_events.consumer.checkpoint import Place
from user_directory_events.consumer.topics import CheckpointTooOld, TopicRecord

_AT_MOST = 100
TopicName = Literal["users", "changes"]


@dataclass
class FakeLogs:
    """The records of both topics by partition, and what groups committed."""

    partitions: int
    records: dict[tuple[TopicName, int], list[TopicRecord]] = field(default_factory=dict)
    first: dict[tuple[TopicName, int], int] = field(default_factory=dict)
    groups: dict[str, dict[int, int]] = field(default_factory=dict)

    def append(self, topic: TopicName, partition: int, timestamp: int, key: bytes, value: bytes | None) -> None:
        """Append one record."""
        log = self.records.setdefault((topic, partition), [])
        log.append(TopicRecord(topic, partition, self.end(topic, partition), timestamp, key, value))

    def end(self, topic: TopicName, partition: int) -> int:
        """Return the next offset."""
        log = self.records.get((topic, partition))
        return log[-1].offset + 1 if log else self.first.get((topic, partition), 0)

    def compact(self) -> None:
        """Keep of `users` the newest record of each key, as Kafka's cleaner does; no tombstones."""
        for (topic, partition), log in self.records.items():
            if topic == "users" and log:
                newest = {record.key: record.offset for record in log}
                kept = [r for r in log[:-1] if newest[r.key] == r.offset and r.value is not None]
                self.records[topic, partition] = [*kept, log[-1]]

    def expire(self) -> None:
        """Drop everything in `user-changes`, as after its retention."""
        for partition in range(self.partitions):
            self.first["changes", partition] = self.end("changes", partition)
            self.records["changes", partition] = []


class FakeTopics:
    """One reader of the logs; see `Topics`.

    Args:
        logs: what is to be read.
        group: a consumer group; None: none.
        partitions: which to read; by default all. `give` and `take` move them later.
    """

    def __init__(self, logs: FakeLogs, group: str | None = None, partitions: set[int] | None = None) -> None:
        self._logs, self._group = logs, group
        self._assigned = set(range(logs.partitions)) if partitions is None else set(partitions)
        self._came, self._gone = set(self._assigned), set[int]()
        self._reading: dict[int, TopicName] = {}
        self._positions: dict[tuple[TopicName, int], int] = {}
        self.closed = False

    def give(self, partition: int) -> None:
        """Let the reader read a partition from now on."""
        self._assigned.add(partition)
        self._came.add(partition)

    def take(self, partition: int) -> None:
        """Let somebody else read a partition."""
        self._assigned.discard(partition)
        self._came.discard(partition)
        self._gone.add(partition)
        self._reading.pop(partition, None)

    def rebalanced(self) -> tuple[set[int], set[int]]:
        """See `Topics`."""
        gone, came = self._gone, self._came
        self._gone, self._came = set(), set()
        return gone, came

    def committed(self, partition: int) -> int | None:
        """See `Topics`."""
        return self._logs.groups.get(self._group, {}).get(partition) if self._group else None

    def beginning(self, partition: int) -> Place:
        """See `Topics`."""
        return Place(self._logs.end("changes", partition), 0, self._logs.end("users", partition))

    def place(self, partition: int, place: Place) -> None:
        """See `Topics`."""
        topic: TopicName = "changes" if place.users is None else "users"
        self._reading[partition] = topic
        self._positions[topic, partition] = place.changes if place.users is None else place.users

    def poll(self, timeout: float) -> list[TopicRecord]:
        """Return what is there, without waiting."""
        found: list[TopicRecord] = []
        for partition, topic in sorted(self._reading.items()):
            position = self._positions[topic, partition]
            if position < self._logs.first.get((topic, partition), 0):
                raise CheckpointTooOld("what follows the checkpoint is no longer kept: start again without one")
            log = self._logs.records.get((topic, partition), [])
            records = [record for record in log if record.offset >= position][:_AT_MOST]
            if records:
                self._positions[topic, partition] = records[-1].offset + 1
            found += records
        return found

    def position(self, topic: TopicName, partition: int) -> int:
        """See `Topics`."""
        return self._positions[topic, partition]

    def ends(self) -> Mapping[int, int]:
        """See `Topics`."""
        return {partition: self._logs.end("changes", partition) for partition in sorted(self._assigned)}

    def commit(self, offsets: Mapping[int, int]) -> None:
        """See `Topics`."""
        if self._group is not None:
            self._logs.groups.setdefault(self._group, {}).update(offsets)

    def close(self) -> None:
        """See `Topics`."""
        self.closed = True
