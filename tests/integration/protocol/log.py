"""The log in memory: stamped by the broker at the append, visible later, with a clock of its own for each partition."""

from bisect import bisect_left
from dataclasses import dataclass
from random import Random

from projector.projection import LogEntry
from user_directory_events import LogRecord, decode, encode


@dataclass(frozen=True, slots=True)
class Appended:
    """One record: what a consumer gets, when, and its place in the one order of all appends, which nobody sees."""

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
        self._under_way: list[tuple[int, int, LogRecord]] = []
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
        visible = now + self._rnd.choice([0, 0, 0, 0, 0, 0, 0, 1, 10, 60])
        offset = self._rnd.choice([0, 0, 0, 1])
        if records:
            visible = max(visible, records[-1].visible)
            offset += records[-1].entry.offset + 1
        self._appends += 1
        entry = LogEntry(offset, now + self._clocks[partition], decode(encode(record)[1]))
        records.append(Appended(entry, visible, self._appends))
        return offset

    def send(self, partition: int, record: LogRecord, arrives: int) -> None:
        """Append a record at some later time, though the process that sent it may be gone by then."""
        self._under_way.append((arrives, partition, record))

    def deliver(self, now: int) -> None:
        """Append what was sent and arrives by now."""
        for sent in [sent for sent in self._under_way if sent[0] <= now]:
            self._under_way.remove(sent)
            self.append(sent[1], sent[2], now)

    def deliver_all(self, now: int) -> None:
        """Append what was sent, all at once."""
        for _, partition, record in self._under_way:
            self.append(partition, record, now)
        self._under_way.clear()

    def read(self, partition: int, position: int, now: int, most: int) -> list[LogEntry]:
        """Return the next records that a consumer can see."""
        records = self.partitions[partition]
        first = bisect_left(records, position, key=lambda appended: appended.entry.offset)
        return [appended.entry for appended in records[first : first + most] if appended.visible <= now]

    def end(self, partition: int) -> int:
        """Return the position behind the newest record."""
        records = self.partitions[partition]
        return records[-1].entry.offset + 1 if records else 0
