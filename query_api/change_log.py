"""What the change feed asks of the read models: what was accepted from a position on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from read_models.feed import Change, FeedPosition

LostBecause = Literal["too-old", "other-log"]


class PositionLost(Exception):
    """Nobody can say what was accepted since a position: it is older than what is kept, or of another log."""

    def __init__(self, reason: LostBecause) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Changes:
    """What follows a position, in order within each partition.

    `position` is behind all of it; `more` says that even then there was more.
    """

    entries: Sequence[Change]
    position: FeedPosition
    more: bool


class ChangeLog(Protocol):
    """The accepted events of the log, the newest of each partition."""

    async def now(self) -> FeedPosition:
        """Return the position behind everything.

        Raises:
            Unavailable: see `query_api.directory`.
        """
        ...

    async def read(self, position: FeedPosition, limit: int) -> Changes:
        """Return about `limit` entries, at most, from a position on.

        Raises:
            PositionLost: see there.
            Unavailable: see `query_api.directory`.
        """
        ...
