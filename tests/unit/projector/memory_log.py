"""The projector's view of Kafka over lists: one member of a group, to which partitions are given and taken."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from projector.event_log import EventLog
from tests.memory_read_models import now_ms
from tests.sample_events import NOW, epoch_opened, tick
from user_directory_events import LogRecord, encode


class MemoryLog(EventLog):
    """Hands out what was appended, from where it was placed; `script` runs a step before each poll.

    `idle` is called when a poll finds nothing and the script is at its end.
    """

    def __init__(self, partitions: int) -> None:
        self.records: dict[int, list[Any]] = {partition: [] for partition in range(partitions)}
        self.script: deque[Callable[[], object]] = deque()
        self.idle: Callable[[], None] = lambda: None
        self.on_assigned: Callable[[set[int]], None] = lambda _: None
        self.on_revoked: Callable[[set[int]], None] = lambda _: None
        self.positions: dict[int, int] = {}
        self.held: set[int] = set()
        self.assigned: set[int] = set()
        self.placed: list[tuple[int, int]] = []
        self.commits: list[Mapping[int, int]] = []
        self.quarantined: list[tuple[int, int, str]] = []
        self.ticked: list[int] = []
        self.failing: dict[str, Exception] = {}
        self.closed = False

    def connect(
        self, _settings: object, *, on_assigned: Callable[[set[int]], None], on_revoked: Callable[[set[int]], None]
    ) -> "MemoryLog":
        """Stand in for the constructor that the projector calls."""
        self.on_assigned, self.on_revoked = on_assigned, on_revoked
        return self

    # --- what a test does

    def append(self, record: LogRecord | bytes | None, *, partition: int = 0, timestamp: int = NOW) -> int:
        """Append a record, raw bytes, or None: a tombstone; return its offset."""
        value = encode(record)[1] if isinstance(record, LogRecord.__args__) else record
        offset = len(self.records[partition])
        self.records[partition].append(SimpleNamespace(offset=offset, timestamp=timestamp, value=value, headers=[]))
        return offset

    def assign(self, *partitions: int) -> None:
        self.assigned |= set(partitions)
        self.held |= set(partitions)
        self.on_assigned(set(partitions))

    def revoke(self, *partitions: int) -> None:
        self.assigned -= set(partitions)
        self.on_revoked(set(partitions))

    # --- what the projector does

    def poll(self, timeout_ms: int) -> dict[int, Sequence[Any]]:
        self._fail("poll")
        if self.script:
            self.script.popleft()()
        found: dict[int, Sequence[Any]] = {}
        for partition in sorted(self.assigned - self.held):
            records = self.records[partition][self.positions[partition] :]
            if records:
                found[partition] = records
                self.positions[partition] += len(records)
        if not found and not self.script and not self.held & self.assigned:
            self.idle()
        return found

    def first_positions(self, partitions: Iterable[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, 0)

    def place(self, partition: int, position: int) -> None:
        self.placed.append((partition, position))
        self.positions[partition] = position
        self.held.discard(partition)

    def hold(self, partition: int) -> None:
        self.held.add(partition)

    def lag(self, partition: int, position: int) -> int | None:
        return len(self.records[partition]) - position

    def commit(self, positions: Mapping[int, int]) -> None:
        self._fail("commit")
        self.commits.append(dict(positions))

    def append_epoch(self, epoch: str) -> dict[int, int]:
        return {p: self.append(epoch_opened(epoch=epoch), partition=p) for p in self.records}

    def append_tick(self, partition: int) -> None:
        self.ticked.append(partition)
        self.append(tick(), partition=partition, timestamp=now_ms())

    def quarantine(self, partition: int, record: Any, reason: str) -> None:
        self._fail("quarantine")
        self.quarantined.append((partition, record.offset, reason))

    def close(self) -> None:
        self.closed = True

    def _fail(self, what: str) -> None:
        if error := self.failing.pop(what, None):
            raise error
