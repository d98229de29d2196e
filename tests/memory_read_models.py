"""The read models and the reservations in dictionaries: what Redis does with the Lua scripts, said in Python.

It has the interface of the projector's store, so that the projector's own calculation fills it. tests/contract holds
it to the same behaviour as the scripts.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from projector.requests_ahead import Later
from projector.store import Checkpoint, ReadModelStore
from read_models.calls import Key, NotReady, OtherGeneration
from read_models.ids import RAW_BYTES, raw_id, shorten
from read_models.keys import Keys
from read_models.listing import CLAIM_TAIL_BYTES
from read_models.projector_calls import Applied, Batch, Declared, GuardState, OtherLog
from read_models.records import (
    BesidePointer,
    HistoryEntry,
    IdempotentOutcome,
    LivePointer,
    PartitionProgress,
    UserRecord,
)
from read_models.write_calls import (
    DoneUnderKey,
    EventRef,
    Held,
    Idempotency,
    Loaded,
    Outcome,
    PendingUnderKey,
    Reserved,
    Taken,
    VersionMoved,
)
from user_directory_events import UniqueField


@dataclass(slots=True)
class _Reservation:
    event: EventRef
    request_hash: str
    keys: list[str]


@dataclass(slots=True)
class _Data:
    """Redis's keys, by type."""

    strings: dict[Key, bytes] = field(default_factory=dict)
    expiries: dict[Key, int] = field(default_factory=dict)
    lists: dict[Key, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    streams: dict[Key, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    sorted_sets: dict[Key, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    hashes: dict[Key, dict[bytes, bytes]] = field(default_factory=lambda: defaultdict(dict))
    conflicts: set[str] = field(default_factory=set)


def now_ms() -> int:
    """Return the time as Redis would give it."""
    return time.time_ns() // 1_000_000


class MemoryReadModels(ReadModelStore):
    """One Redis with one generation; `on_settled` is called with the events that the pub/sub message would name."""

    def __init__(self, clock: Callable[[], int] = now_ms) -> None:
        self.keys = Keys("memory")
        self.clock = clock
        self.on_settled: Callable[[set[str]], None] = lambda _: None
        self._generation = self.keys.generation(1)
        self._live: LivePointer | None = None
        self._guard: tuple[str, bool] | None = None
        self._data = _Data()
        self._progress: dict[int, PartitionProgress] = {}
        self._reservations: dict[str, _Reservation] = {}
        self._held: dict[str, str] = {}

    # --- the projector's side

    def begin(self, log_id: str, positions: Mapping[int, int]) -> LivePointer:
        self._live = self._live or LivePointer(1, log_id, complete=False)
        if self._live.log_id != log_id:
            raise OtherLog(self._live.log_id)
        for partition, position in positions.items():
            self._progress.setdefault(partition, PartitionProgress(position, 0, None))
        return self._live

    def followed(self) -> None:
        return None

    def rebuild_progress(self, live: LivePointer, partitions: Sequence[int]) -> dict[int, float]:
        return {}

    def progress(self, live: LivePointer | BesidePointer, partitions: Sequence[int]) -> dict[int, PartitionProgress]:
        return {p: self._progress[p] for p in partitions if p in self._progress}

    def load(self, live: LivePointer | BesidePointer, users: Mapping[int, Sequence[str]]) -> dict[int, Checkpoint]:
        return {
            partition: Checkpoint(
                self._progress.get(partition), {u: record for u in user_ids if (record := self._record(u))}
            )
            for partition, user_ids in users.items()
        }

    def begin_load(
        self, live: LivePointer | BesidePointer, users: Mapping[int, Sequence[str]]
    ) -> Later[dict[int, Checkpoint]]:
        return lambda: self.load(live, users)

    def histories(self, live: LivePointer | BesidePointer, wanted: Mapping[str, int]) -> dict[str, list[bytes]]:
        histories = self._data.lists
        return {user: histories.get(self._generation.history(user), [])[start:] for user, start in wanted.items()}

    def parked(self, live: LivePointer) -> int:
        return len(self._data.hashes[self._generation.quarantine])

    def known_ids(self, live: LivePointer | BesidePointer, events: Iterable[tuple[str, str, int]]) -> set[str]:
        return {e for e, user, _ in events if any(entry.event_id == e for entry in self.history_of(user))}

    def apply(self, live: LivePointer, batches: Sequence[Batch]) -> list[Applied]:
        return [self._apply(live, batch) for batch in batches]

    def begin_apply(self, live: LivePointer, batches: Sequence[Batch]) -> Later[list[Applied]]:
        return lambda: self.apply(live, batches)

    def guard_state(self, opening: str | None) -> GuardState:
        if self._guard is None:
            return "missing"
        epoch, ready = self._guard
        return "ready" if ready else "opening" if epoch == opening else "missing"

    def open_guard(self, epoch: str) -> None:
        self._guard = (epoch, False)

    def declare_ready(self, live: LivePointer, epoch: str, offsets: Mapping[int, int]) -> Declared:
        if self._guard is None or self._guard[0] != epoch:
            return "superseded"
        if any(self._progress[partition].position <= offset for partition, offset in offsets.items()):
            return "waiting"
        if any(self._progress[partition].epoch != epoch for partition in offsets):
            self._guard = None
            return "superseded"
        self._guard = (epoch, True)
        self._live = LivePointer(live.generation, live.log_id, complete=True)
        return "ready"

    def overdue(self, partitions: Sequence[int]) -> list[int]:
        events = [reservation.event for reservation in self._reservations.values()]
        return [p for p in partitions if any(e.partition == p and e.deadline < self.clock() for e in events)]

    def conflicts(self, live: LivePointer) -> int:
        return len(self._data.conflicts)

    def close(self) -> None:
        pass

    # --- the command API's side

    @property
    def log_id(self) -> str:
        return self._live.log_id if self._live else ""

    def load_user(self, user_id: str, idempotency: Idempotency | None) -> Loaded | DoneUnderKey | PendingUnderKey:
        self._ready_epoch()
        return self._under_key(idempotency) or Loaded(self._record(user_id))

    def reserve(
        self,
        *,
        event_id: str,
        user_id: str,
        partition: int,
        version: int,
        unique_values: Sequence[tuple[UniqueField, str]],
        idempotency: Idempotency | None,
        lifetime_ms: int,
    ) -> Reserved | VersionMoved | Taken | Held | DoneUnderKey | PendingUnderKey:
        epoch = self._ready_epoch()
        if idempotency is not None and (outcome := self._outcome_under(idempotency)):
            return DoneUnderKey(outcome)
        record = self._record(user_id)
        if (record.version if record else 0) != version:
            return VersionMoved()
        for name, value in unique_values:
            claims = [
                claim
                for key in (self._generation.claims(name), self._generation.waiting_claims(name))
                for claim in _claims(self._data.sorted_sets[key], value)
            ]
            if {claim[-RAW_BYTES:] for claim in claims} - {raw_id(user_id)}:
                return Taken(name)
        pending = self._under_key(idempotency)
        if pending is not None:
            return pending
        keys = [self.keys.reserved_version(user_id), *(self.keys.reserved_value(n, v) for n, v in unique_values)]
        for key in reversed(keys):
            if holder := self._unsettled_holder(key):
                return Held(holder.event)
        if idempotency is not None:
            keys.append(self.keys.reserved_idempotency(idempotency.actor, idempotency.key))
        deadline = self.clock() + lifetime_ms
        event = EventRef(event_id, user_id, version + 1, partition, deadline, epoch)
        self._reservations[event_id] = _Reservation(event, idempotency.request_hash if idempotency else "", keys)
        self._held.update(dict.fromkeys(keys, event_id))
        return Reserved(epoch, deadline)

    def release(self, event_id: str) -> None:
        self._settle({event_id})

    def outcome(self, event: EventRef) -> Outcome:
        if self._live is None:
            raise NotReady
        for entry in self.history_of(event.user_id):
            if entry.event_id == event.event_id:
                return Outcome("accepted", entry.offset)
        record = self._record(event.user_id)
        if record and (event.event_id in record.void_ids or record.version >= event.sequence):
            return Outcome("void")
        progress = self._progress[event.partition]
        # An epoch's id is a UUIDv7, so a later epoch's is the larger.
        later_epoch = (progress.epoch or "") > event.epoch and self._guard is not None and self._guard[1]
        return Outcome("never_written" if progress.watermark > event.deadline or later_epoch else "pending")

    def history_of(self, user_id: str) -> list[HistoryEntry]:
        return [HistoryEntry.decode(entry) for entry in self._data.lists.get(self._generation.history(user_id), [])]

    # --- what tests look at

    def snapshot(self) -> dict[str, Any]:
        """Return all that the log alone decides; equal logs give equal snapshots."""
        data = self._data
        return {
            "strings": dict(data.strings),
            "expiries": dict(data.expiries),
            "histories": {key: list(value) for key, value in data.lists.items() if value},
            "feeds": {key: dict(value) for key, value in data.streams.items() if value},
            "indexes": {key: set(value) for key, value in data.sorted_sets.items() if value},
            "conflicts": set(data.conflicts),
            "hashes": {key: dict(value) for key, value in data.hashes.items() if value},
            "progress": dict(self._progress),
        }

    def change(self, batch: Batch) -> None:
        """Make a batch's changes, wherever the checkpoint is: doing it twice must change nothing."""
        for name, arguments in batch.changes:
            assert len(arguments) <= 1002, "Lua can unpack only so many"
            _CHANGES[name](self._data, *arguments)

    # --- what the scripts share

    def _apply(self, live: LivePointer, batch: Batch) -> Applied:
        if self._live is None or self._live.identity != live.identity:
            raise OtherGeneration
        if self._progress[batch.partition].position != batch.position:
            return "refused"
        self.change(batch)
        if self._guard is not None and self._guard[1] and any(epoch != self._guard[0] for epoch in batch.epochs):
            self._guard = None
        self._progress[batch.partition] = batch.progress
        overdue = {
            event_id
            for event_id, reservation in self._reservations.items()
            if reservation.event.partition == batch.partition and reservation.event.deadline < batch.progress.watermark
        }
        self._settle(overdue | set(batch.event_ids))
        return "applied"

    def _settle(self, event_ids: set[str]) -> None:
        for event_id in event_ids:
            reservation = self._reservations.pop(event_id, None)
            for key in reservation.keys if reservation else ():
                if self._held.get(key) == event_id:
                    del self._held[key]
        self.on_settled(event_ids)

    def _ready_epoch(self) -> str:
        if self._live is None or not self._live.complete or self._guard is None or not self._guard[1]:
            raise NotReady
        return self._guard[0]

    def _record(self, user_id: str) -> UserRecord | None:
        value = self._data.strings.get(self._generation.user(user_id))
        return UserRecord.decode(value) if value is not None else None

    def _outcome_under(self, idempotency: Idempotency) -> IdempotentOutcome | None:
        key = self._generation.idempotency(idempotency.actor, idempotency.key)
        value = self._data.strings.get(key)
        if value is None or self._data.expiries[key] <= self.clock():
            return None
        return IdempotentOutcome.decode(value)

    def _under_key(self, idempotency: Idempotency | None) -> DoneUnderKey | PendingUnderKey | None:
        if idempotency is None:
            return None
        if outcome := self._outcome_under(idempotency):
            return DoneUnderKey(outcome)
        holder = self._unsettled_holder(self.keys.reserved_idempotency(idempotency.actor, idempotency.key))
        return PendingUnderKey(holder.event, holder.request_hash) if holder else None

    def _unsettled_holder(self, key: str) -> _Reservation | None:
        holder = self._reservations.get(self._held.get(key, ""))
        if holder is None or self._progress[holder.event.partition].watermark > holder.event.deadline:
            return None
        return holder


def _set(data: _Data, key: str, value: str, option: str, expiry: int) -> None:
    assert option == "PXAT"
    data.strings[key], data.expiries[key] = value.encode(), expiry


def _mset(data: _Data, *pairs: Any) -> None:
    data.strings.update(zip(pairs[::2], pairs[1::2], strict=True))


def _zadd(data: _Data, key: Key, *pairs: Any) -> None:
    assert not any(pairs[::2]), "all scores are 0: the order is that of the members"
    data.sorted_sets[key].update(pairs[1::2])


def _zrem(data: _Data, key: Key, *members: bytes) -> None:
    data.sorted_sets[key].difference_update(members)


def _hset(data: _Data, key: Key, *pairs: Any) -> None:
    data.hashes[key].update({_bytes(name): _bytes(value) for name, value in zip(pairs[::2], pairs[1::2], strict=True)})


def _hdel(data: _Data, key: Key, name: bytes) -> None:
    data.hashes[key].pop(name, None)


def _doom_history(data: _Data, key: Key, history: Key, erased_at: int) -> None:
    for entry in map(HistoryEntry.decode, data.lists[history]):
        if entry.offset < erased_at:
            _hset(data, key, shorten(entry.event_id), entry.offset)


def _bytes(value: bytes | str | int) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _history(data: _Data, key: Key, first: int, *entries: bytes) -> None:
    present = len(data.lists[key]) - (first - 1)
    data.lists[key].extend(entries[max(present, 0) :])


def _forget_history(data: _Data, key: Key, entry: bytes) -> None:
    data.lists[key] = [entry]


def _feed(data: _Data, key: Key, begin_key: str, most: int, *pairs: Any) -> None:
    stream = data.streams[key]
    newest = max(stream, default=-1)
    stream.update({offset: entry for offset, entry in zip(pairs[::2], pairs[1::2], strict=True) if offset > newest})
    if len(stream) > most:
        for offset in sorted(stream)[:-most]:
            del stream[offset]
        data.strings[begin_key] = str(min(stream)).encode()


def _forget_feed(data: _Data, key: Key, sparse: Key, history: Key, before: int) -> None:
    data.strings[sparse] = b"%d" % before
    for entry in map(HistoryEntry.decode, data.lists.get(history, [])):
        if entry.offset < before:
            data.streams[key].pop(entry.offset, None)


def _claims(index: set[bytes], value: str) -> list[bytes]:
    start, length = value.encode() + b"\0", len(value.encode()) + 1 + CLAIM_TAIL_BYTES
    return sorted(claim for claim in index if claim.startswith(start) and len(claim) == length)


def _withdraw(index: set[bytes], value: str, user: bytes) -> int:
    claims = _claims(index, value)
    own = {claim for claim in claims if claim[-RAW_BYTES:] == user}
    index -= own
    return len(claims) - len(own)


def _claim(data: _Data, key: Key, value: str, tail: bytes, name: str) -> None:
    index = data.sorted_sets[key]
    if _withdraw(index, value, tail[-RAW_BYTES:]) > 0:
        data.conflicts.add(name)
    index.add(value.encode() + b"\0" + tail)


def _unclaim(data: _Data, key: Key, value: str, user: bytes, name: str) -> None:
    if _withdraw(data.sorted_sets[key], value, user) < 2:
        data.conflicts.discard(name)


_CHANGES: Mapping[str, Callable[..., None]] = {
    "SET": _set,
    "MSET": _mset,
    "ZADD": _zadd,
    "ZREM": _zrem,
    "HSET": _hset,
    "HDEL": _hdel,
    "doom_history": _doom_history,
    "history": _history,
    "forget_history": _forget_history,
    "feed": _feed,
    "forget_feed": _forget_feed,
    "claim": _claim,
    "unclaim": _unclaim,
}
