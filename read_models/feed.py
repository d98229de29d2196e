"""The change feed: accepted events as readers see them, and the place of a reader in all partitions at once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

_POSITION = re.compile(r"([0-9a-f-]{36})((?:\.\d{1,19}){1,1000})", re.ASCII)


class InvalidFeedPosition(ValueError):
    """The text was not made by this service."""


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """How far a reader is: the next offset of each partition of one log. On the wire: `<log id>.<offset>.<offset>...`.

    Offsets are the log's, so a position outlives Redis and the generations of the read models.
    """

    log_id: str
    offsets: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a position.

        Raises:
            InvalidFeedPosition: not made by this service.
        """
        match = _POSITION.fullmatch(text)
        if match is None:
            raise InvalidFeedPosition("not an event id of this service")
        return cls(match[1], tuple(map(int, match[2][1:].split("."))))

    def __str__(self) -> str:
        return f"{self.log_id}.{'.'.join(map(str, self.offsets))}"

    def includes(self, other: "FeedPosition") -> bool:
        """Say whether whoever is here has seen all that a reader of the same log at another position has."""
        return all(mine >= its for mine, its in zip(self.offsets, other.offsets, strict=True))

    def after(self, partition: int, offset: int) -> "FeedPosition":
        """Return the position of a reader who has also seen this offset of a partition."""
        offsets = self.offsets
        return FeedPosition(self.log_id, (*offsets[:partition], offset + 1, *offsets[partition + 1 :]))


class FeedEntry(NamedTuple):
    """One accepted event in the stream of its partition: `<type> <user id> <event as JSON>`."""

    type: str
    user_id: str
    event: bytes

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read the entry."""
        kind, user_id, event = value.split(b" ", 2)
        return cls(kind.decode(), user_id.decode(), event)

    def encode(self) -> bytes:
        """Write the entry."""
        return f"{self.type} {self.user_id} ".encode() + self.event


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the feed with its place in the log."""

    partition: int
    offset: int
    entry: FeedEntry


def changes_in(partition: int, stream: Sequence[tuple[bytes, Sequence[bytes]]]) -> list[Change]:
    """Return what Redis answers to XRANGE of a partition's stream."""
    return [
        Change(partition, int(entry_id.partition(b"-")[0]), FeedEntry.decode(fields[1])) for entry_id, fields in stream
    ]
