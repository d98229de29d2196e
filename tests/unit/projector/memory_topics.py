"""The relay's view of Kafka and of Redis in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from projector.relay_selection import LogEvent, Projected, PublicChange, PublicState
from projector.relay_store import NotProjected, RelayStore
from projector.relay_topics import PublicTopics
from tests.sample_events import NOW
from user_directory_events import LogRecord, encode


class MemoryTopics(PublicTopics):
    """Hands out what was appended; `script` runs a step before each poll, then `idle` is called."""

    def __init__(self, partitions: int = 2) -> None:
        self.records: dict[int, list[Any]] = {p: [] for p in range(partitions)}
        self.script: deque[Callable[[], object]] = deque()
        self.idle: Callable[[], None] = lambda: None
        self.on_assigned: Callable[[set[int]], None] = lambda _: None
        self.on_revoked: Callable[[set[int]], None] = lambda _: None
        self.offsets: dict[int, int] = dict.fromkeys(self.records, 0)
        self.positions: dict[int, int] = {}
        self.assigned: set[int] = set()
        self.held: set[int] = set()
        self.changes: list[PublicChange] = []
        self.states: list[PublicState] = []
        self.transactions: list[tuple[int, Mapping[int, int]]] = []
        self.failing: deque[Exception | None] = deque()
        self.closed = False

    def connect(
        self, _settings: object, *, on_assigned: Callable[[set[int]], None], on_revoked: Callable[[set[int]], None]
    ) -> "MemoryTopics":
        self.on_assigned, self.on_revoked = on_assigned, on_revoked
        return self

    def append(self, record: LogRecord | bytes | None, *, partition: int = 0, timestamp: int = NOW) -> None:
        value = record if record is None or isinstance(record, bytes) else encode(record)[1]
        offset = len(self.records[partition])
        self.records[partition].append(SimpleNamespace(offset=offset, timestamp=timestamp, value=value))

    def assign(self, *partitions: int) -> None:
        self.assigned |= set(partitions)
        self.held |= set(partitions)
        self.on_assigned(set(partitions))

    def revoke(self, *partitions: int) -> None:
        self.assigned -= set(partitions)
        self.on_revoked(set(partitions))

    def poll(self, timeout_ms: int) -> dict[int, Sequence[Any]]:
        if self.script:
            self.script.popleft()()
        else:
            self.idle()
        found: dict[int, Sequence[Any]] = {}
        for partition in sorted(self.assigned - self.held):
            if records := self.records[partition][self.positions[partition] :]:
                found[partition] = records
                self.positions[partition] += len(records)
        return found

    def committed(self, partitions: Iterable[int]) -> dict[int, int]:
        return {p: self.offsets[p] for p in partitions}

    def place(self, partition: int, position: int) -> None:
        self.positions[partition] = position
        self.held.discard(partition)

    def hold(self, partition: int) -> None:
        self.held.add(partition)

    def release(self, partition: int) -> None:
        self.held.discard(partition)

    def lag(self, partition: int, position: int) -> int | None:
        return len(self.records[partition]) - position

    def commit(
        self, changes: Sequence[PublicChange], states: Sequence[PublicState], positions: Mapping[int, int]
    ) -> None:
        if self.failing and (error := self.failing.popleft()) is not None:
            raise error
        self.changes += changes
        self.states += states
        self.offsets |= positions
        self.transactions.append((len(changes), dict(positions)))

    def close(self) -> None:
        self.closed = True


class MemoryStore(RelayStore):
    """Accepts what it is told to, up to where the projector is said to be."""

    def __init__(self) -> None:
        self.projected: dict[int, int] = {}
        self.void: set[tuple[int, int]] = set()
        self.failing: deque[Exception | None] = deque()
        self.looks = 0

    def positions(self, partitions: Iterable[int]) -> dict[int, int]:
        if self.failing and (error := self.failing.popleft()) is not None:
            raise error
        return {p: self.projected[p] for p in partitions if p in self.projected}

    def look(self, events: Sequence[LogEvent]) -> Projected:
        self.looks += 1
        if any(entry.offset >= self.projected.get(entry.partition, 0) for entry in events):
            raise NotProjected
        places = {(entry.partition, entry.offset) for entry in events}
        return Projected(frozenset(places - self.void), {entry.user_id: b"{}" for entry in events})
