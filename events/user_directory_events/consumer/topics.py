"""The seam between following and Kafka: what a follower asks of the two public topics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from user_directory_events.consumer.checkpoint import Place


class TopicMissing(Exception):
    """A topic does not exist, or is none of a directory; the text names it."""


class CheckpointTooOld(Exception):
    """What follows the checkpoint is no longer kept: start again without one, with an empty store."""


class CheckpointUnfit(Exception):
    """The checkpoint is not one of these topics: they have other partitions."""


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A committed record of one of the topics."""

    topic: Literal["users", "changes"]
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes | None


class Topics(Protocol):
    """The public topics, read committed; a partition is told nothing of until it is placed."""

    def rebalanced(self) -> tuple[set[int], set[int]]:
        """Return which partitions are no longer to be read, and which are from now on, since the last call."""

    def committed(self, partition: int) -> int | None:
        """Return where the consumer group goes on in `user-changes`; None: nowhere yet, or there is no group."""

    def beginning(self, partition: int) -> Place:
        """Return where to load from and to follow from, so that no change is in neither of them."""

    def place(self, partition: int, place: Place) -> None:
        """Read a partition on from a place; `users` while it is loading, else `user-changes`."""

    def poll(self, timeout: float) -> list[TopicRecord]:
        """Return the next records, in order for each partition, after at most `timeout` seconds.

        Raises:
            CheckpointTooOld: the place of a partition is no longer kept.
        """

    def position(self, topic: Literal["users", "changes"], partition: int) -> int:
        """Return the next offset to be read, behind everything that was returned."""

    def ends(self) -> Mapping[int, int]:
        """Return the offsets behind the newest committed records of `user-changes`, of the partitions to be read."""

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit to the group where to go on in `user-changes`; nothing where there is no group."""

    def close(self) -> None:
        """Leave the group and close the connections."""
