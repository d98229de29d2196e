"""The calls of the read side: each answers from one moment of one generation, and says how new that moment is.

They only read, so Redis replicas can serve them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from read_models import scripts
from read_models.calls import Argument, Call
from read_models.keys import GenerationKeys, Keys
from read_models.scripts import Script
from user_directory_events import UniqueField

T = TypeVar("T")


class NotYetVisible(Exception):
    """The partitions are not projected as far as the reader wants to see."""


@dataclass(frozen=True, slots=True)
class Source:
    """The complete generation that a reader believes to be live; calls refuse any other.

    `pointer` is the live pointer as it stands in Redis. `partitions` is the log's partition count: a complete
    generation has the progress of each.
    """

    pointer: bytes
    log_id: str
    generation: GenerationKeys
    partitions: int


@dataclass(frozen=True, slots=True)
class Listed:
    """Records of users in the order asked for; `positions` are the next positions of the partitions, from 0.

    `last` is the index member that the next page follows, None if there is no next page. A record is None where the
    index is ahead of the documents.
    """

    records: Sequence[bytes | None]
    last: str | None
    positions: Sequence[int]


def list_by_creation(
    keys: Keys, source: Source, seen: Mapping[int, int], *, after: str | None, newest_first: bool, limit: int
) -> Call[Listed]:
    """List the users in the order of their creation, at most `limit`, from behind the index member `after`.

    Args:
        keys: the names of the keys.
        source: the generation to read.
        seen: offsets by partition that the answer must show, else NotYetVisible is raised.
        after: None: from the first.
        newest_first: the other way round.
        limit: most users.
    """
    arguments: list[Argument] = [after or "", int(newest_first), limit, source.generation.user("")]
    return reading(scripts.LIST_BY_CREATION, keys, source, source.generation.by_creation, arguments, seen, _parse)


def find_owner(
    keys: Keys, source: Source, seen: Mapping[int, int], field: UniqueField, comparable: str
) -> Call[Listed]:
    """List the one user, or none, who owns a unique value, given in its comparable form; `seen` as above."""
    arguments: list[Argument] = [source.generation.user("")]
    claims = source.generation.claims(field, comparable)
    return reading(scripts.FIND_OWNER, keys, source, claims, arguments, seen, _parse)


def reading(
    script: Script,
    keys: Keys,
    source: Source,
    read: str,
    arguments: Sequence[Argument],
    seen: Mapping[int, int],
    parse: Callable[[list[Any]], T],
) -> Call[T]:
    """Make the call of a script that begins with reading.lua.

    Args:
        script: the script.
        keys: the names of the keys.
        source: the generation to read.
        read: the key that the script reads.
        arguments: what stands between the live pointer and the positions.
        seen: offsets by partition that the answer must show, else NotYetVisible is raised.
        parse: turns the reply into a value.
    """
    partitions = range(source.partitions)
    names = [keys.live, read, *map(source.generation.partition, partitions)]
    least = [seen.get(partition, -1) + 1 for partition in partitions]

    def visible(reply: list[Any]) -> T:
        if reply[0] == b"not_yet_visible":
            raise NotYetVisible
        return parse(reply)

    return Call(script, names, [source.pointer, *arguments, *least], visible)


def _parse(reply: list[Any]) -> Listed:
    _, positions, last, records = reply
    return Listed(records, last.decode() or None, list(map(int, positions)))
