"""The calls that lists are made of: walk an index, or pick from candidates; each looks at a bounded number of users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from read_models import scripts
from read_models.calls import Argument, Call
from read_models.keys import Keys
from read_models.listing import LETTERS, Status
from read_models.read_calls import Source, reading
from user_directory_events import UniqueField


@dataclass(frozen=True, slots=True)
class Condition:
    """What a user has to be; times are instants, see `read_models.listing`.

    `created_before` is exclusive, the other times are inclusive. Each of `words` is the beginning of a folded word.
    """

    status: Status | None = None
    created_from: int | None = None
    created_before: int | None = None
    updated_from: int | None = None
    words: Sequence[str] = ()

    def arguments(self) -> list[Argument]:
        """Return what matching.lua reads."""
        times = (self.created_from, self.created_before, self.updated_from)
        status = LETTERS[self.status] if self.status is not None else ""
        return [status, *("" if at is None else at for at in times), len(self.words), *self.words]


ANYBODY = Condition()


@dataclass(frozen=True, slots=True)
class Range:
    """Part of an index, named as in `WITHIN_ANY`: from one boundary to before another; an empty one is no boundary."""

    index: str
    low: bytes = b""
    high: bytes = b""

    def meet(self, low: bytes, high: bytes) -> "Range":
        """Return the part of it that is also between these boundaries."""
        return Range(self.index, max(self.low, low), min(self.high, high) if self.high and high else self.high or high)

    def holds(self, member: bytes) -> bool:
        """Say whether a member stands between the boundaries."""
        return self.low <= member and (not self.high or member < self.high)


class Answer(Protocol):
    """What the calls have in common: `positions` are the next positions of the partitions, from 0."""

    @property
    def positions(self) -> Sequence[int]: ...


@dataclass(frozen=True, slots=True)
class Walked:
    """Users found in the order of an index: members and records.

    `looked` members were looked at, the last was `edge`; it is None where the range has no more.
    """

    positions: Sequence[int]
    looked: int
    edge: bytes | None
    members: Sequence[bytes]
    records: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Picked:
    """Users who meet a condition, by raw ids, with their records or the heads of these."""

    positions: Sequence[int]
    users: Sequence[bytes]
    records: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Values:
    """What a range has: members, or numbers of them."""

    positions: Sequence[int]
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class WordMembers:
    """Members of the index by creation, in no order; None: too many words begin so.

    `last` are the last members read of each word that may have more.
    """

    positions: Sequence[int]
    members: Sequence[bytes] | None
    last: Sequence[bytes]


def walk(
    keys: Keys,
    source: Source,
    seen: Mapping[int, int],
    *,
    where: Range,
    downwards: bool,
    condition: Condition,
    most: int,
    wanted: int,
) -> Call[Walked]:
    """Find at most `wanted` users who meet a condition in the order of an index, looking at `most` at most.

    `seen` are the offsets by partition that the answer must show, else NotYetVisible is raised; so it is below.
    """
    arguments: list[Argument] = [where.low, where.high, int(downwards), most, wanted, source.generation.user_prefix]
    arguments += condition.arguments()
    return reading(scripts.WALK, keys, source, source.generation.whole(where.index), arguments, seen, _walked)


def members(keys: Keys, source: Source, seen: Mapping[int, int], *, where: Range, most: int) -> Call[Values]:
    """Read the first members of a range."""
    return reading(
        scripts.MEMBERS,
        keys,
        source,
        source.generation.whole(where.index),
        [where.low, where.high, most],
        seen,
        _values,
    )


def word_members(
    keys: Keys,
    source: Source,
    seen: Mapping[int, int],
    *,
    start: str,
    where: Range,
    downwards: bool,
    most: int,
    about: int,
    words: int,
) -> Call[WordMembers]:
    """Find the first users by creation of each word that begins so, if there are not more than so many `words`.

    Args:
        keys: the names of the keys.
        source: the generation to read.
        seen: as above.
        start: the beginning.
        where: a range of the index by creation.
        downwards: from the end of the range to its beginning.
        most: most users of a word.
        about: users of all words, of each the same number.
        words: most words.
    """
    arguments: list[Argument] = [start, where.low, where.high, int(downwards), most, about, words]
    return reading(scripts.WORD_MEMBERS, keys, source, source.generation.words, arguments, seen, _word_members)


def measure(keys: Keys, source: Source, seen: Mapping[int, int], *, ranges: Sequence[Range]) -> Call[Values]:
    """Count the members of ranges."""
    arguments: list[Argument] = [len(ranges)]
    for where in ranges:
        arguments += [source.generation.whole(where.index), where.low, where.high]
    return reading(scripts.MEASURE, keys, source, source.generation.prefix, arguments, seen, _values)


def pick(
    keys: Keys, source: Source, seen: Mapping[int, int], *, users: Sequence[bytes], condition: Condition, whole: bool
) -> Call[Picked]:
    """Pick those of some users, by raw id, who meet a condition; `whole` records, or only their heads."""
    arguments: list[Argument] = [int(whole), len(users), *condition.arguments(), *users]
    return reading(scripts.PICK, keys, source, source.generation.user_prefix, arguments, seen, _picked)


def owners(
    keys: Keys,
    source: Source,
    seen: Mapping[int, int],
    *,
    values: Sequence[tuple[UniqueField, str]],
    condition: Condition,
) -> Call[Picked]:
    """Find the one user, or none, who owns all of some unique values, in comparable form, and meets a condition."""
    arguments: list[Argument] = [len(values), *condition.arguments()]
    for field, value in values:
        arguments += [source.generation.claims(field), value]
    return reading(scripts.OWNERS, keys, source, source.generation.user_prefix, arguments, seen, _picked)


def _walked(reply: list[Any]) -> Walked:
    _, positions, looked, edge, found, records = reply
    return Walked(list(map(int, positions)), looked, edge or None, found, records)


def _picked(reply: list[Any]) -> Picked:
    _, positions, users, records = reply
    return Picked(list(map(int, positions)), users, records)


def _values(reply: list[Any]) -> Values:
    _, positions, values = reply
    return Values(list(map(int, positions)), values)


def _word_members(reply: list[Any]) -> WordMembers:
    _, positions, found, last = reply
    return WordMembers(list(map(int, positions)), found, last)
