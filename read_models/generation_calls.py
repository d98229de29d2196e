"""The calls of whoever makes a generation beside the live one, compares the two, and makes it the live one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from read_models import scripts
from read_models.calls import Argument, Call, Key
from read_models.keys import Keys
from read_models.projector_calls import Applied, Batch, changes_of, word
from read_models.records import BesidePointer, LivePointer

LEASE_MS: Final = 6000
"""How long after its last sign of life a rebuild is taken for dead."""

Flipped = Literal["flipped", "apart"]
Compared = Literal["equal", "longer", "different", "missing"]


class LeaseLost(Exception):
    """Another process rebuilds, or this one gave no sign of life for `LEASE_MS`."""


class Unequal(Exception):
    """An index of the one generation has more members than that of the other; the argument is its key."""


@dataclass(frozen=True, slots=True)
class Generations:
    """The live generation and the one beside it."""

    live: LivePointer
    beside: BesidePointer | None

    @classmethod
    def decode(cls, live: bytes, beside: bytes | None) -> "Generations":
        """Read both pointers."""
        return cls(LivePointer.decode(live), None if beside is None else BesidePointer.decode(beside))


def begin_rebuild(
    keys: Keys, live: LivePointer, new: BesidePointer, owner: str, positions: Mapping[int, int]
) -> Call[BesidePointer]:
    """Take the lease and make the new generation, or return the one that is there; `positions` are the log's first.

    Raises:
        LeaseLost: another process rebuilds.
    """
    generation = keys.generation(new.generation)
    names: list[Key] = [keys.live, keys.beside, keys.rebuilding, *map(generation.partition, positions)]
    arguments: list[Argument] = [live.encode(), owner, LEASE_MS, new.encode(), *positions.values()]
    return Call(scripts.BEGIN_REBUILD, names, arguments, lambda reply: BesidePointer.decode(_leased(reply)[1]))


def hold_lease(keys: Keys, owner: str) -> Call[Generations]:
    """Give a sign of life, and read which generations there are.

    Raises:
        LeaseLost: see there.
    """
    names = [keys.live, keys.beside, keys.rebuilding]
    return Call(scripts.HOLD_LEASE, names, [owner, LEASE_MS], _parse_generations)


def fill(keys: Keys, live: LivePointer, beside: BesidePointer, batch: Batch, owner: str = "") -> Call[Applied]:
    """Apply a batch to the generation beside the live one alone; `owner` of the lease, if that has to be held.

    Raises:
        LeaseLost: see there.
    """
    its = keys.generation(beside.generation)
    names: list[Key] = [
        keys.beside,
        keys.rebuilding,
        keys.generation(live.generation).partition(batch.partition),
        its.partition(batch.partition),
        its.conflicts,
    ]
    arguments: list[Argument] = [beside.encode(), owner, LEASE_MS, batch.progress.position]
    arguments += (batch.position, batch.progress.encode(), *changes_of(batch))
    return Call(scripts.FILL, names, arguments, lambda reply: word(_leased(reply)))


def move_beside(keys: Keys, beside: BesidePointer, to: BesidePointer | None, owner: str = "") -> Call[None]:
    """Move the generation beside the live one to another stage, or forget it.

    Raises:
        LeaseLost: the lease is another's; without `owner`: somebody holds it.
    """
    arguments: list[Argument] = [beside.encode(), to.encode() if to else "", owner]
    return Call(scripts.MOVE_BESIDE, [keys.beside, keys.rebuilding], arguments, lambda reply: _drop(_leased(reply)))


def flip(
    keys: Keys, live: LivePointer, beside: BesidePointer, partitions: int, *, accept_differences: bool
) -> Call[Flipped]:
    """Make the generation beside the live one the live one, and keep the other; `apart`: they are not equally far.

    Raises:
        Unequal: see there.
    """
    one, other = keys.generation(live.generation), keys.generation(beside.generation)
    names: list[Key] = [keys.live, keys.beside]
    for partition in range(partitions):
        names += (one.partition(partition), other.partition(partition))
    for pair in zip(one.indexes, other.indexes, strict=True):
        names += pair
    arguments: list[Argument] = [
        live.encode(),
        beside.encode(),
        replace(live, generation=beside.generation).encode(),
        BesidePointer(live.generation, live.log_id, "kept").encode(),
        partitions,
        int(accept_differences),
    ]
    return Call(scripts.FLIP, names, arguments, _parse_flip)


def compare_keys(
    keys: Keys, generations: Generations, pairs: Sequence[tuple[bytes, bytes]], first: int, last: int
) -> Call[list[Compared]]:
    """Compare keys of both generations, of lists the entries from `first` to `last`."""
    names: list[Key] = [keys.live, keys.beside]
    for pair in pairs:
        names += pair
    arguments = [*_encoded(generations), first, last]
    return Call(scripts.COMPARE_KEYS, names, arguments, lambda reply: [one.decode() for one in reply[1]])


def compare_indexes(
    keys: Keys, generations: Generations, pair: tuple[str, str], behind: bytes | None, count: int
) -> Call[tuple[bool, bytes | None]]:
    """Compare members of an index behind one of them; return whether they are equal and the last, None at the end."""
    start = b"-" if behind is None else b"(" + behind
    arguments = [*_encoded(generations), start, count]
    names = [keys.live, keys.beside, *pair]
    return Call(scripts.COMPARE_INDEXES, names, arguments, lambda reply: (reply[1] == 1, reply[2]))


def _encoded(generations: Generations) -> list[Argument]:
    assert generations.beside is not None  # noqa: S101 - there is something to compare with
    return [generations.live.encode(), generations.beside.encode()]


def _leased(reply: list[Any]) -> list[Any]:
    if reply[0] in (b"held", b"lease_lost") and len(reply) == 1:
        raise LeaseLost
    return reply


def _parse_generations(reply: list[Any]) -> Generations:
    # The lease outlives nothing: where it is, the live pointer is.
    return Generations.decode(*_leased(reply)[1:])


def _parse_flip(reply: list[Any]) -> Flipped:
    if reply[0] == b"unequal":
        raise Unequal(reply[1].decode())
    flipped: Flipped = word(reply)
    return flipped


def _drop(_: object) -> None:
    return None
