"""What the log says, folded by the public verdict rules alone, and what the read models must then hold."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from read_models.feed import FeedEntry
from read_models.keys import GenerationKeys
from read_models.listing import Listing, claim_tail
from read_models.records import HistoryEntry, IdempotentOutcome, PartitionProgress, UserRecord
from tests.integration.protocol.log import Appended
from user_directory_events import (
    CannotEvolve,
    PartitionFold,
    UniqueField,
    User,
    UserEvent,
    UserState,
    Verdict,
    comparable,
    evolve,
)
from user_directory_events.public_topics import public_event

Claims = dict[UniqueField, str]


def claims_of(state: UserState) -> Claims:
    """Return the unique values that a state claims, in their comparable form."""
    if not isinstance(state, User):
        return {}
    claims: Claims = {"email": comparable("email", state.email)}
    if state.external_id is not None:
        claims["external_id"] = comparable("external_id", state.external_id)
    return claims


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """An accepted event, the claims of its user before and after it, and its place in the one order of all appends."""

    event: UserEvent
    offset: int
    order: int
    before: Claims
    after: Claims


@dataclass(slots=True)
class _FoldedUser:
    state: UserState = None
    offset: int = -1
    version: int = 0
    void_ids: list[str] = field(default_factory=list)
    history: list[bytes] = field(default_factory=list)
    claim_tails: dict[UniqueField, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Truth:
    """The log folded: all accepted events, and the keys of the read models with their values."""

    accepted: dict[str, AcceptedEvent] = field(default_factory=dict)
    read_models: dict[bytes, object] = field(default_factory=dict)


def fold(partitions: Sequence[Sequence[Appended]], keys: GenerationKeys, margin_ms: int) -> Truth:
    """Fold all partitions; `margin_ms` is what the watermark stays behind the newest timestamp."""
    truth = Truth()
    claimants: dict[tuple[UniqueField, str], set[str]] = {}
    indexes: dict[str, set[bytes]] = {}
    for partition, records in enumerate(partitions):
        users = _fold_partition(truth, partition, records, keys, margin_ms)
        for user_id, user in users.items():
            truth.read_models[keys.user(user_id)] = UserRecord.of(
                user.state, version=user.version, partition=partition, offset=user.offset, void_ids=user.void_ids
            ).encode()
            if user.history:
                truth.read_models[keys.history(user_id)] = user.history
            for name, value in claims_of(user.state).items():
                claimants.setdefault((name, value), set()).add(user_id)
                claim = value.encode() + b"\0" + user.claim_tails[name]
                indexes.setdefault(keys.claims(name), set()).add(claim)
            if isinstance(user.state, User):
                for index, member in Listing.of(user.state).members(keys, user_id):
                    indexes.setdefault(index, set()).add(member)
    truth.read_models |= {index.encode(): sorted(members) for index, members in indexes.items()}
    if conflicts := {keys.conflict(*value).encode() for value, users_ in claimants.items() if len(users_) > 1}:
        truth.read_models[keys.conflicts.encode()] = conflicts
    return truth


def _fold_partition(
    truth: Truth, partition: int, records: Sequence[Appended], keys: GenerationKeys, margin_ms: int
) -> dict[str, _FoldedUser]:
    partition_fold = PartitionFold()
    users: dict[str, _FoldedUser] = {}
    feed: list[list[object]] = []
    position = watermark = 0
    for appended in records:
        entry = appended.entry
        position, watermark = entry.offset + 1, max(watermark, entry.timestamp - margin_ms)
        verdict = partition_fold.apply(entry.record, entry.timestamp)
        if not isinstance(entry.record, UserEvent) or verdict is None:
            continue
        event, user = entry.record, users.setdefault(entry.record.subject, _FoldedUser())
        if verdict is not Verdict.ACCEPTED:
            user.void_ids.append(event.id)
            continue
        before = claims_of(user.state)
        user.offset, user.version = entry.offset, event.sequence
        # An event that does not fit moves the version all the same; only a world with a rule left out has one.
        with suppress(CannotEvolve):
            user.state = evolve(user.state, event)
        after = claims_of(user.state)
        tail = claim_tail(entry.timestamp, event.id, event.subject)
        user.claim_tails |= {name: tail for name, value in after.items() if before.get(name) != value}
        user.history.append(HistoryEntry.of(event, offset=entry.offset, timestamp=entry.timestamp).encode())
        told = FeedEntry(event.type, event.subject, public_event(event)).encode()
        feed.append([f"{entry.offset}-1".encode(), [b"e", told]])
        truth.accepted[event.id] = AcceptedEvent(event, entry.offset, appended.order, before, after)
        if event.idempotencykey and event.idempotencyhash:
            key = keys.idempotency(event.actor or "", event.idempotencykey)
            outcome = IdempotentOutcome(
                event.idempotencyhash, event.subject, event.sequence, event.id, partition, entry.offset
            )
            truth.read_models[key.encode()] = outcome.encode().encode()
    if feed:
        truth.read_models[keys.changes(partition).encode()] = feed
    progress = PartitionProgress(position, watermark, partition_fold.epoch)
    truth.read_models[keys.partition(partition).encode()] = progress.encode().encode()
    return users
