"""What the calls of the read side have in common: each answers from one moment of one generation, and says which.

They only read, so Redis replicas can serve them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from read_models.calls import Argument, Call, Key
from read_models.keys import GenerationKeys, Keys
from read_models.scripts import Script

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


def reading(
    script: Script,
    keys: Keys,
    source: Source,
    read: Key,
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
    names: list[Key] = [keys.live, read, *map(source.generation.partition, partitions)]
    least = [seen.get(partition, -1) + 1 for partition in partitions]

    def visible(reply: list[Any]) -> T:
        if reply[0] == b"not_yet_visible":
            raise NotYetVisible
        return parse(reply)

    return Call(script, names, [source.pointer, *arguments, *least], visible)
