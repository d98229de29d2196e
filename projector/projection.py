"""From records of one partition to the changes of the read models: pure, no clock, no socket.

The state of a partition's users moves with that partition's checkpoint only. So a batch can be computed here from what
Redis held at the checkpoint, and Redis has to check nothing but that the checkpoint is still the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from projector.change_feed import FEED_EVENTS, feed_changes
from projector.documents import Claims, Recorded, UserDocument, quarantine_changes
from read_models.calls import Argument
from read_models.ids import raw_id, shorten
from read_models.keys import GenerationKeys
from read_models.listing import Listing
from read_models.projector_calls import Batch
from read_models.records import HistoryEntry, IdempotentOutcome, PartitionProgress, UserRecord
from user_directory_events import (
    EpochOpened,
    EventsDiscarded,
    Gone,
    LogRecord,
    ReplayRequested,
    UserErased,
    UserEvent,
    Verdict,
    judge,
)
from user_directory_events.codec import encode_data

MOST_ARGUMENTS = 1000
IDEMPOTENCY_KEPT_MS = 24 * 60 * 60 * 1000
NO_RECORD = UserRecord(version=0, partition=0, offset=-1, presence="none")

Change = tuple[str, Sequence[Argument]]


class LogEntry(NamedTuple):
    """One record of the log that could be decoded, with the broker's timestamp in milliseconds."""

    offset: int
    timestamp: int
    record: LogRecord


class Judgement(NamedTuple):
    """What the projector made of one event; None as verdict: a later copy of an event that was judged before.

    `fault` says why an accepted event waits in quarantine; `parks`, that the user is there because of it.
    """

    entry: LogEntry
    event: UserEvent
    verdict: Verdict | None
    fault: str | None = None
    parks: bool = False


@dataclass(slots=True)
class _WorkingUser:
    """A user while a batch is folded."""

    user_id: str
    before: UserRecord
    version: int
    offset: int
    void_ids: list[str]
    claims_before: Claims
    listing_before: Listing | None
    document: UserDocument
    waiting_before: list[Recorded]
    accepted: dict[str, int] = field(default_factory=dict)
    history: list[bytes] = field(default_factory=list)
    first_new_sequence: int = 0
    erased_at: int | None = None
    doomed: dict[str, int] = field(default_factory=dict)
    changed: bool = False

    @classmethod
    def load(cls, user_id: str, record: UserRecord, history: Sequence[bytes]) -> "_WorkingUser":
        document = UserDocument.load(user_id, record, history)
        return cls(
            user_id,
            record,
            record.version,
            record.offset,
            list(record.void_ids),
            document.claims,
            document.listing,
            document,
            document.waiting,
        )

    @property
    def erased(self) -> bool:
        state = self.document.state
        return isinstance(state, Gone) and state.erased

    def has_judged(self, event_id: str, known_ids: set[str]) -> bool:
        # An erasure forgets the history, in this batch as well as in an earlier one.
        known = self.erased_at is None and event_id in known_ids
        return known or event_id in self.accepted or event_id in self.void_ids


def project(
    entries: Sequence[LogEntry],
    *,
    partition: int,
    position: int,
    next_position: int,
    progress: PartitionProgress,
    records: Mapping[str, UserRecord],
    known_ids: set[str],
    keys: GenerationKeys,
    skew_ms: int,
    feed_events: int = FEED_EVENTS,
    histories: Mapping[str, Sequence[bytes]] | None = None,
) -> tuple[Batch, list[Judgement]]:
    """Fold records over what Redis holds; return what to write and the verdicts.

    Args:
        entries: the decoded records, in offset order; those that could not be decoded are left out.
        partition: their partition.
        position: where the batch starts; it is the checkpoint.
        next_position: where the next batch starts.
        progress: the partition's progress before the batch.
        records: the records of all users named by events, by user id; a missing one is a user without events.
        known_ids: ids of these events that are in their user's history already.
        keys: the keys of the generation.
        skew_ms: largest difference between the brokers' clocks, S of the protocol.
        feed_events: events of the partition that its change feed keeps.
        histories: entries of the histories of those users that `histories_needed` names, from there on.
    """
    users: dict[str, _WorkingUser] = {}
    judgements: list[Judgement] = []
    accepted: list[tuple[int, UserEvent, bytes]] = []
    epochs: list[str] = []
    epoch, watermark = progress.epoch, progress.watermark
    outcomes: list[tuple[str, str, int]] = []
    for entry in entries:
        watermark = max(watermark, entry.timestamp - skew_ms)
        record = entry.record
        if isinstance(record, EpochOpened):
            epoch = record.data.epoch
            epochs.append(epoch)
        user_id = user_of(record)
        if user_id is None:
            continue
        user = users.get(user_id)
        if user is None:
            history = (histories or {}).get(user_id, ())
            users[user_id] = user = _WorkingUser.load(user_id, records.get(user_id, NO_RECORD), history)
        if not isinstance(record, UserEvent):
            _decide(record, user, partition)
            continue
        judgement = _judge(entry, record, user, epoch, known_ids)
        judgements.append(judgement)
        if judgement.verdict is Verdict.ACCEPTED:
            data = encode_data(record)
            accepted.append((entry.offset, record, data))
            user.history.append(
                HistoryEntry.of(record, offset=entry.offset, timestamp=entry.timestamp, data=data).encode()
            )
            if record.idempotencykey and record.idempotencyhash:
                outcomes.append(_idempotent_outcome(keys, record, entry, partition))
    batch = Batch(
        partition,
        position,
        PartitionProgress(next_position, watermark, epoch),
        epochs,
        [judgement.event.id for judgement in judgements],
    )
    changed = [user for user in users.values() if user.changed]
    batch.changes.extend(("SET", (key, value, "PXAT", expiry)) for key, value, expiry in outcomes)
    batch.changes.extend(feed_changes(accepted, keys, partition, feed_events))
    batch.changes.extend(_changes(changed, keys, partition))
    return batch, judgements


def user_of(record: LogRecord) -> str | None:
    """Return the id of the user whom a record is about."""
    if isinstance(record, UserEvent):
        return record.subject
    return record.data.user_id if isinstance(record, EventsDiscarded | ReplayRequested) else None


def histories_needed(entries: Sequence[LogEntry], records: Mapping[str, UserRecord]) -> dict[str, int]:
    """Say of which users `project` needs the history, each from which index on."""
    needed = {user_id: record.shown.version for user_id, record in records.items() if record.shown and record.waits}
    for entry in entries:
        if isinstance(entry.record, EventsDiscarded) and entry.record.data.user_id in records:
            needed[entry.record.data.user_id] = 0
    return needed


def _decide(record: LogRecord, user: _WorkingUser, partition: int) -> None:
    """Carry out what an operator decided."""
    # In another partition than the user's it would move the user with the wrong checkpoint.
    if user.version == 0 or (user.before.version > 0 and user.before.partition != partition):
        return
    user.changed = True
    if isinstance(record, EventsDiscarded):
        user.document.discard(record.data.event_ids)
    else:
        user.document.replay()


def _judge(entry: LogEntry, event: UserEvent, user: _WorkingUser, epoch: str | None, known_ids: set[str]) -> Judgement:
    if user.has_judged(event.id, known_ids):
        return Judgement(entry, event, None)
    verdict = judge(event, entry.timestamp, epoch=epoch, version=user.version, erased=user.erased)
    user.changed = True
    if verdict is not Verdict.ACCEPTED:
        if user.erased:
            user.doomed[event.id] = entry.offset
        else:
            user.void_ids.append(event.id)
        return Judgement(entry, event, verdict)
    fault = user.document.accept(Recorded(event, entry.offset, entry.timestamp))
    if isinstance(event, UserErased):
        # Where a void one stands is not known; it goes when the last accepted one goes, for one compaction takes both.
        user.doomed |= user.accepted | dict.fromkeys(user.void_ids, max(user.offset, 0))
        # Nor are they kept: a replay that no longer finds them comes to the same record.
        user.void_ids.clear()
        user.accepted, user.history, user.erased_at = {}, [], entry.offset
    user.version, user.offset = event.sequence, entry.offset
    user.accepted[event.id] = entry.offset
    if not user.history:
        user.first_new_sequence = event.sequence
    parks = fault is not None and len(user.document.waiting) == 1
    return Judgement(entry, event, verdict, fault, parks)


def _idempotent_outcome(
    keys: GenerationKeys, event: UserEvent, entry: LogEntry, partition: int
) -> tuple[str, str, int]:
    outcome = IdempotentOutcome(
        event.idempotencyhash or "", event.subject, event.sequence, event.id, partition, entry.offset
    )
    key = keys.idempotency(event.actor or "", event.idempotencykey or "")
    return key, outcome.encode(), entry.timestamp + IDEMPOTENCY_KEPT_MS


def _changes(users: Sequence[_WorkingUser], keys: GenerationKeys, partition: int) -> Iterator[Change]:
    yield from _claim_changes(users, keys)
    yield from quarantine_changes([(user.waiting_before, user.document) for user in users], keys)
    yield from _history_changes(users, keys, partition)
    yield from _index_changes(users, keys)
    # Last: from the records a batch is computed anew, should only a part of its changes have been made.
    pairs: list[Argument] = []
    for user in users:
        record = UserRecord.of(
            user.document.state,
            version=user.version,
            partition=partition,
            offset=user.offset,
            void_ids=user.void_ids,
            listing=user.document.listing,
            document=user.document.document,
            shown=user.document.shown(user.version),
        )
        pairs += [keys.user(user.user_id), record.encode()]
    yield from _variadic("MSET", (), pairs)


def _claim_changes(users: Sequence[_WorkingUser], keys: GenerationKeys) -> Iterator[Change]:
    # Releases first, so that a value passed on within a batch never looks claimed twice.
    for user in users:
        for name, value in user.claims_before.items():
            if user.document.claims.get(name) != value:
                yield "unclaim", (keys.claims(name), value, raw_id(user.user_id), keys.conflict(name, value))
    for user in users:
        # Also a value that was given up and claimed again within the batch: the later claim counts, as it does when a
        # replay cuts the batches elsewhere.
        for name, value in user.document.claims.items():
            if (tail := user.document.claim_tails.get(name)) is not None:
                yield "claim", (keys.claims(name), value, tail, keys.conflict(name, value))


def _history_changes(users: Sequence[_WorkingUser], keys: GenerationKeys, partition: int) -> Iterator[Change]:
    doomed: list[Argument] = []
    for user in users:
        for event_id, offset in user.doomed.items():
            doomed += [shorten(event_id), offset]
        key, first, entries = keys.history(user.user_id), user.first_new_sequence, user.history
        if user.erased_at is not None:
            yield "doom_history", (keys.doomed(partition), key, user.erased_at)
            yield "forget_history", (key, entries[0])
        elif entries:
            yield "history", (key, first, *entries)
    yield from _variadic("HSET", (keys.doomed(partition),), doomed)


def _index_changes(users: Sequence[_WorkingUser], keys: GenerationKeys) -> Iterator[Change]:
    remove: dict[str, list[Argument]] = {}
    add: dict[str, list[Argument]] = {}
    for user in users:
        before, now = user.listing_before, user.document.listing
        if now is not None:
            gone, come = now.changes(before, keys, user.user_id)
        else:
            gone, come = list(before.members(keys, user.user_id)) if before else [], []
        for key, member in gone:
            remove.setdefault(key, []).append(member)
        for key, member in come:
            add.setdefault(key, []).extend((0, member))
    for key, members in remove.items():
        yield from _variadic("ZREM", (key,), members)
    for key, scored in add.items():
        yield from _variadic("ZADD", (key,), scored)


def _variadic(command: str, keys: tuple[str, ...], values: Sequence[Argument]) -> Iterator[Change]:
    for start in range(0, len(values), MOST_ARGUMENTS):
        yield command, (*keys, *values[start : start + MOST_ARGUMENTS])
