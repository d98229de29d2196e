"""The calls of the write side: load, reserve, release, and what became of an event."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from read_models import scripts
from read_models.calls import Argument, Call, Key
from read_models.ids import raw_id, shorten
from read_models.keys import Keys
from read_models.records import IdempotentOutcome, LivePointer, UserRecord
from user_directory_events import UniqueField

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EventRef:
    """What is needed to learn the outcome of an event; `deadline` in milliseconds of the broker's clock."""

    event_id: str
    user_id: str
    sequence: int
    partition: int
    deadline: int
    epoch: str


@dataclass(frozen=True, slots=True)
class Idempotency:
    """An Idempotency-Key in its actor's scope, with the hash of the request that it stands for."""

    actor: str
    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one event needs to be reserved.

    `version` is the user's version that the decision was made on, the event's sequence is the next; `unique_values` are
    those that the event claims anew, in their comparable form.
    """

    event_id: str
    user_id: str
    partition: int
    version: int
    unique_values: Sequence[tuple[UniqueField, str]]
    idempotency: Idempotency | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The user's record; None: Redis knows nothing of this id."""

    record: UserRecord | None


@dataclass(frozen=True, slots=True)
class Reserved:
    """The event may be appended under this epoch until this deadline (milliseconds)."""

    epoch: str
    deadline: int


@dataclass(frozen=True, slots=True)
class VersionMoved:
    """The user has another version than the decision was made on."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Another user owns this value."""

    field: UniqueField


@dataclass(frozen=True, slots=True)
class Held:
    """An event that may still be accepted holds what this one needs."""

    event: EventRef


@dataclass(frozen=True, slots=True)
class PendingUnderKey:
    """The idempotency key belongs to an event that may still be accepted."""

    event: EventRef
    request_hash: str


@dataclass(frozen=True, slots=True)
class DoneUnderKey:
    """The idempotency key belongs to an accepted event."""

    outcome: IdempotentOutcome


ReserveReply = Reserved | VersionMoved | Taken | Held | DoneUnderKey | PendingUnderKey


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event; `offset` where it was accepted."""

    status: Literal["accepted", "void", "never_written", "pending"]
    offset: int | None = None


def load(
    keys: Keys, live: LivePointer, process: str, user_id: str, idempotency: Idempotency | None
) -> Call[Loaded | DoneUnderKey | PendingUnderKey]:
    """Load a user and what the idempotency key led to, under the guard."""
    generation = keys.generation(live.generation)
    names: list[Key] = [keys.live, keys.guard, generation.user(user_id)]
    if idempotency is not None:
        names += _idempotency_keys(keys, live, idempotency)
    arguments: list[Argument] = [live.identity, keys.reservation, generation.partition_prefix, process]
    return Call(scripts.LOAD, names, arguments, _parse_load)


def reserve(
    keys: Keys,
    live: LivePointer,
    process: str,
    *,
    event_id: str,
    user_id: str,
    partition: int,
    version: int,
    unique_values: Sequence[tuple[UniqueField, str]],
    idempotency: Idempotency | None,
    lifetime_ms: int,
) -> Call[ReserveReply]:
    """Reserve what one event needs; see `Wanted` and `reserve_all`."""
    wanted = Wanted(event_id, user_id, partition, version, unique_values, idempotency)
    return _only(reserve_all(keys, live, process, [wanted], lifetime_ms=lifetime_ms))


def reserve_all(
    keys: Keys, live: LivePointer, process: str, wanted: Sequence[Wanted], *, lifetime_ms: int
) -> Call[list[ReserveReply]]:
    """Reserve what events need, one after the other in one step.

    Args:
        keys: the names of all keys.
        live: the live generation.
        process: who is to be woken when what holds an event back, or the event itself, is settled.
        wanted: what the events need. One takes 20 µs of Redis's time, and the step should take less than 2 ms.
        lifetime_ms: from Redis's clock to the events' deadline.
    """
    generation = keys.generation(live.generation)
    names: list[Key] = [keys.live, keys.guard]
    arguments: list[Argument] = [
        live.identity,
        keys.reservation,
        generation.partition_prefix,
        process,
        lifetime_ms,
        len(wanted),
    ]
    for one in wanted:
        names += (
            generation.user(one.user_id),
            keys.reserved_version(one.user_id),
            keys.reservations(one.partition),
        )
        for field, value in one.unique_values:
            names += (generation.claims(field), keys.reserved_value(field, value))
        if one.idempotency is not None:
            names += _idempotency_keys(keys, live, one.idempotency)
        arguments += (
            one.event_id,
            one.user_id,
            one.partition,
            one.version,
            len(one.unique_values),
            one.idempotency.request_hash if one.idempotency else "",
            raw_id(one.user_id),
            *(value for _, value in one.unique_values),
        )
    return Call(scripts.RESERVE, names, arguments, lambda replies: _parse_reserve(replies, wanted))


def release(keys: Keys, partition: int, event_id: str) -> Call[None]:
    """Give back the reservation of an event that was never sent."""
    arguments = [keys.reservation, event_id, keys.wake]
    return Call(scripts.RELEASE, [keys.reservations(partition)], arguments, lambda _: None)


def outcome(keys: Keys, live: LivePointer, event: EventRef) -> Call[Outcome]:
    """Ask what became of an event."""
    return _only(outcomes(keys, live, [event]))


def outcomes(keys: Keys, live: LivePointer, events: Sequence[EventRef]) -> Call[list[Outcome]]:
    """Ask what became of events."""
    generation = keys.generation(live.generation)
    names: list[Key] = [keys.live, keys.guard]
    arguments: list[Argument] = [live.identity, len(events)]
    for event in events:
        names += (
            generation.user(event.user_id),
            generation.history(event.user_id),
            generation.partition(event.partition),
        )
        arguments += (event.event_id, event.sequence, event.deadline, event.epoch, shorten(event.event_id))
    return Call(scripts.OUTCOME, names, arguments, lambda replies: [_parse_outcome(reply) for reply in replies])


def _only(call: Call[list[T]]) -> Call[T]:
    """Return a call for one as a call with one result."""
    return Call(call.script, call.keys, call.arguments, lambda replies: call.parse(replies)[0])


def _idempotency_keys(keys: Keys, live: LivePointer, idempotency: Idempotency) -> list[str]:
    actor, key = idempotency.actor, idempotency.key
    return [keys.generation(live.generation).idempotency(actor, key), keys.reserved_idempotency(actor, key)]


def _event_ref(holder: list[bytes]) -> tuple[EventRef, str]:
    partition, deadline, user, sequence, epoch, request_hash, event = (value.decode() for value in holder)
    return EventRef(event, user, int(sequence), int(partition), int(deadline), epoch), request_hash


def _parse_load(reply: list[Any]) -> Loaded | DoneUnderKey | PendingUnderKey:
    match reply:
        case [b"loaded", *record]:
            return Loaded(UserRecord.decode(record[0]) if record and record[0] is not None else None)
        case _:
            return _parse_key(reply)


def _parse_key(reply: list[Any]) -> DoneUnderKey | PendingUnderKey:
    match reply:
        case [b"outcome", value]:
            return DoneUnderKey(IdempotentOutcome.decode(value))
        case [b"idempotent_pending", holder]:
            return PendingUnderKey(*_event_ref(holder))
    raise AssertionError(f"unknown reply {reply[0]!r}")


def _parse_reserve(replies: list[Any], wanted: Sequence[Wanted]) -> list[ReserveReply]:
    return [_parse_one_reserve(reply, one) for reply, one in zip(replies, wanted, strict=True)]


def _parse_one_reserve(reply: list[Any], wanted: Wanted) -> ReserveReply:
    match reply:
        case [b"reserved", epoch, deadline]:
            return Reserved(epoch.decode(), int(deadline))
        case [b"version_moved"]:
            return VersionMoved()
        case [b"taken", index]:
            return Taken(wanted.unique_values[index][0])
        case [b"held", holder]:
            return Held(_event_ref(holder)[0])
    return _parse_key(reply)


def _parse_outcome(reply: list[Any]) -> Outcome:
    match reply:
        case [b"accepted", offset]:
            return Outcome("accepted", int(offset))
        case [(b"void" | b"never_written" | b"pending") as status]:
            return Outcome(status.decode())
    raise AssertionError(f"unknown reply {reply[0]!r}")
