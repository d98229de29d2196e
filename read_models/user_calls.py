"""The calls of the read side about users whose keys are known: many at once, and the past of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from read_models import scripts
from read_models.calls import Argument, Call
from read_models.ids import raw_id
from read_models.keys import Keys
from read_models.read_calls import Source, reading


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Records in the order asked for, None where there is none; `positions` are the next of the partitions, from 0."""

    records: Sequence[bytes | None]
    positions: Sequence[int]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many of a history's entries were meant, and how many it has."""

    count: int
    length: int


def lookup(
    keys: Keys, source: Source, seen: Mapping[int, int], *, ids: Sequence[str], emails: Sequence[str]
) -> Call[LookedUp]:
    """Look up the records of users by id, then of those who own an address, given in its comparable form.

    Args:
        keys: the names of the keys.
        source: the generation to read.
        seen: offsets by partition that the answer must show, else NotYetVisible is raised.
        ids: ids of users.
        emails: addresses.
    """
    generation = source.generation
    arguments: list[Argument] = [generation.claims("email"), len(ids), len(emails), *map(raw_id, ids), *emails]
    return reading(scripts.LOOKUP, keys, source, generation.user_prefix, arguments, seen, _looked_up)


def count_recorded(keys: Keys, source: Source, seen: Mapping[int, int], *, user_id: str, at_ms: int) -> Call[Counted]:
    """Count a user's events that the broker had stamped by a time, in milliseconds since 1970; `seen` as above."""
    history = source.generation.history(user_id)
    return reading(scripts.COUNT_RECORDED, keys, source, history, [at_ms], seen, lambda reply: Counted(*reply[2:]))


def _looked_up(reply: list[Any]) -> LookedUp:
    _, positions, records = reply
    return LookedUp(records, list(map(int, positions)))
