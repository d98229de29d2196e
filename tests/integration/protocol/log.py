"""The log in memory: stamped by the broker at the append, visible later, with a clock of its own for each partition."""

from bisect import bisect_left
from dataclasses import dataclass
from random import Random

from projector.projection import LogEntry
from user_directory_events import LogRecord, decode, encode


@dataclass(frozen=True, slots=True)
class Appended:
    """One record: what a consumer gets, when, and where it stands in the one order of all appends, which nobody can see."""

    entry: LogEntry
    visible: int
    order: int


class SimulatedLog:
    """Partitions with holes between the offsets, as compaction leaves them."""

    def __init__(self, rnd: Random, partitions: int, skew_ms: int) -> None:
        self._rnd = rnd
        self._most_skew = skew_ms // 2
        self.partitions: list[list[Appended]] = [[] for _ in range(partitions)]
        self._clocks = [0] * partitions
        self._appends = 0
        for partition in range(partitions):
            self.elect_leader(partition)

    def elect_leader(self, partition: int) -> None:
        """Give the partition another broker, whose clock is within the allowed skew of any other's."""
        self._clocks[partition] = self._rnd.choice(
            [-self._most_skew, self._most_skew, self._rnd.randint(-self._most_skew, self._most_skew)]
        )

    def append(self, partition: int, record: LogRecord, now: int) -> int:
        """Append a record, as decoded from what is encoded of it, and return its offset."""
        records = self.partitions[partition]
        visible = now + self._rnd.choice([0, 0, 0, 0, 1, 10, 60])
        offset = self._rnd.choice([0, 0, 0, 1])
        if records:
            visible = max(visible, records[-1].visible)
            offset += records[-1].entry.offset + 1
        self._appends += 1
        entry = LogEntry(offset, now + self._clocks[partition], decode(encode(record)[1]))
        records.append(Appended(entry, visible, self._appends))
        return offset

    def read(self, partition: int, position: int, now: int, most: int) -> list[LogEntry]:
        """Return the next records that a consumer can see."""
        records = self.partitions[partition]
        first = bisect_left(records, position, key=lambda appended: appended.entry.offset)
        return [appended.entry for appended in records[first : first + most] if appended.visible <= now]

    def end(self, partition: int) -> int:
        """Return the position behind the newest record."""
        records = self.partitions[partition]
        return records[-1].entry.offset + 1 if records else 0
