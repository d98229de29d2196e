"""The calls of the projector: begin, apply, and the guard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from read_models import scripts
from read_models.calls import Argument, Call, Key
from read_models.keys import Keys
from read_models.records import BesidePointer, LivePointer, PartitionProgress

Applied = Literal["applied", "refused"]
GuardState = Literal["ready", "opening", "missing"]
Declared = Literal["ready", "waiting", "superseded"]


class OtherLog(Exception):
    """Redis holds the read models of another log."""

    def __init__(self, log_id: str) -> None:
        super().__init__(log_id)
        self.log_id = log_id


@dataclass(slots=True)
class Batch:
    """One batch of one partition, ready to be applied: what is to be written, computed already.

    `changes` are Redis commands, or `history`, `doom_history`, `forget_history`, `feed`, `forget_feed`, `claim`,
    `unclaim` of changes.lua, with their arguments (at most 1,000 each).
    """

    partition: int
    position: int
    progress: PartitionProgress
    epochs: list[str] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)
    changes: list[tuple[str, Sequence[Argument]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RewrittenPart:
    """How far the copy of a change feed is; `last` is the id of the last entry copied, where there are more."""

    status: Literal["more", "done", "again"]
    last: str | None = None


def begin(keys: Keys, log_id: str, positions: Mapping[int, int]) -> Call[LivePointer]:
    """Read the live pointer; make generation 1 with these first positions where Redis is empty.

    Raises:
        OtherLog: Redis belongs to another log.
    """
    first = keys.generation(1)
    names = [keys.live, *(first.partition(partition) for partition in positions)]
    return Call(scripts.BEGIN, names, [log_id, *positions.values()], _parse_begin)


def apply(
    keys: Keys, live: LivePointer, batch: Batch, *, followed: BesidePointer | None = None, beside: Batch | None = None
) -> Call[Applied]:
    """Apply a batch in one step, or nothing of it where it does not start at the checkpoint.

    Args:
        keys: the names of all keys.
        live: the live generation.
        batch: what is written to it.
        followed: the generation that follows it; None: there is none, and the call is refused where there is one.
        beside: the batch of the same records for that one.
    """
    generations = [(live.generation, batch)]
    if followed is not None and beside is not None:
        generations.append((followed.generation, beside))
    names: list[Key] = [keys.live, keys.guard, keys.beside, keys.reservations(batch.partition)]
    arguments: list[Argument] = [
        live.identity,
        followed.encode() if followed else "",
        batch.progress.watermark,
        keys.reservation,
        keys.wake,
        len(batch.epochs),
        len(batch.event_ids),
        *batch.epochs,
        *batch.event_ids,
    ]
    for number, part in generations:
        generation = keys.generation(number)
        names += (generation.partition(part.partition), generation.conflicts)
        arguments += (part.position, part.progress.encode(), *changes_of(part))
    return Call(scripts.APPLY, names, arguments, word)


def changes_of(batch: Batch) -> list[Argument]:
    """Return a batch's changes as scripts read them."""
    arguments: list[Argument] = [len(batch.changes)]
    for name, values in batch.changes:
        arguments += (name, len(values), *values)
    return arguments


def bury(keys: Keys, live: LivePointer, partition: int, events: Mapping[str, int]) -> Call[None]:
    """Note that doomed events, offsets by `shorten`ed id, have their tombstones."""
    generation = keys.generation(live.generation)
    names = [keys.live, generation.doomed(partition), generation.buried(partition)]
    pairs = [argument for pair in events.items() for argument in pair]
    return Call(scripts.BURY, names, [live.identity, *pairs], lambda _: None)


def rewrite_changes(
    keys: Keys, live: LivePointer, partition: int, *, erasure: str, after: str | None, count: int
) -> Call[RewrittenPart]:
    """Copy the next `count` entries of a change feed, those after an id; the last part replaces the feed by its copy.

    Args:
        keys: the names of keys.
        live: the live generation.
        partition: the partition whose feed it is.
        erasure: the newest erasure that took something out of it; after another one, the copy begins anew.
        after: the id of the last entry that was copied; None: begin.
        count: how many to copy; Redis takes 3 µs for each.
    """
    generation = keys.generation(live.generation)
    names = [
        keys.live,
        generation.changes(partition),
        generation.changes_copy(partition),
        generation.sparse_changes(partition),
    ]
    begin = "-" if after is None else f"({after}"
    return Call(scripts.REWRITE_CHANGES, names, [live.identity, erasure, begin, count], _parse_part)


def guard_state(keys: Keys, opening: str | None) -> Call[GuardState]:
    """Ask for the state of the guard; `opening` is the epoch that the caller is opening."""
    return Call(scripts.GUARD_STATE, [keys.guard], [opening or ""], word)


def open_guard(keys: Keys, epoch: str) -> Call[None]:
    """Replace the guard by one of a new epoch that is not ready yet."""
    return Call(scripts.OPEN_GUARD, [keys.guard], [epoch], lambda _: None)


def declare_ready(keys: Keys, live: LivePointer, epoch: str, offsets: Mapping[int, int]) -> Call[Declared]:
    """Declare the guard ready if the epoch's records are projected and are the newest; `offsets` by partition."""
    generation = keys.generation(live.generation)
    names = [keys.live, keys.guard, *(generation.partition(partition) for partition in offsets)]
    arguments: list[Argument] = [live.identity, epoch, *offsets.values()]
    return Call(scripts.DECLARE_READY, names, arguments, word)


def word(reply: list[Any]) -> Any:
    """Return a reply of one word."""
    return reply[0].decode()


def _parse_part(reply: list[Any]) -> RewrittenPart:
    return RewrittenPart(reply[0].decode(), reply[1].decode() if len(reply) > 1 else None)


def _parse_begin(reply: list[Any]) -> LivePointer:
    if reply[0] == b"other_log":
        raise OtherLog(reply[1].decode())
    return LivePointer.decode(reply[1])
