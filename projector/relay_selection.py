"""What of the log other systems are told: pure, no clock, no socket."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from user_directory_events import EventsDiscarded, ReplayRequested, UserEvent


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A record of the log about one user, with its place and the broker's timestamp in milliseconds.

    An operator's decision about the quarantine is no change, but it may make another state.
    """

    partition: int
    offset: int
    timestamp: int
    event: UserEvent | EventsDiscarded | ReplayRequested

    @property
    def user_id(self) -> str:
        """Return the id of the user."""
        return self.event.subject if isinstance(self.event, UserEvent) else self.event.data.user_id


@dataclass(frozen=True, slots=True)
class PublicChange:
    """An accepted event, for the same partition of the public topic; `timestamp` is when the log took it."""

    partition: int
    timestamp: int
    event: UserEvent


@dataclass(frozen=True, slots=True)
class PublicState:
    """A user's state, for the same partition of the public topic; no document: deleted or erased."""

    partition: int
    user_id: str
    document: bytes | None


@dataclass(frozen=True, slots=True)
class Projected:
    """What the read models hold, all in one moment.

    Args:
        accepted: partition and offset of those events asked for that are in their user's history.
        documents: the document of each user; None: deleted, erased, or without a good one.
    """

    accepted: frozenset[tuple[int, int]]
    documents: Mapping[str, bytes | None]


def select(
    events: Sequence[LogEvent], projected: Projected
) -> tuple[list[PublicChange], list[PublicState], list[LogEvent]]:
    """Return the changes in the order of the log, the states of their users, and the events that are void.

    A user's state is the newest that the read models hold, so it may be ahead of the changes beside it, never behind.
    """
    changes: list[PublicChange] = []
    void: list[LogEvent] = []
    partitions: dict[str, int] = {}
    for entry in events:
        if not isinstance(entry.event, UserEvent):
            partitions[entry.user_id] = entry.partition
        elif (entry.partition, entry.offset) in projected.accepted:
            changes.append(PublicChange(entry.partition, entry.timestamp, entry.event))
            partitions[entry.user_id] = entry.partition
        else:
            void.append(entry)
    states = [PublicState(p, user_id, projected.documents[user_id]) for user_id, p in partitions.items()]
    return changes, states, void


def oldest_first(partitions: Iterable[Iterable[LogEvent]], most: int) -> list[LogEvent]:
    """Return at most so many events, those first that the log took first; each partition's stay in their order."""
    return list(islice(heapq.merge(*partitions, key=lambda entry: entry.timestamp), most))
