"""The accepted events in memory: what the change feed is tested with, and what the real ones are compared with."""

import asyncio
import json

from query_api.change_log import Changes, PositionLost
from query_api.directory import Unavailable
from read_models.feed import Change, FeedEntry, FeedPosition
from tests.sample_events import event_id, user_id
from tests.unit.query_api.memory_directory import LOG_ID


class MemoryChanges:
    """A `ChangeLog` over a list; `positions` are the partitions' next offsets, `begins` is where their feeds begin."""

    def __init__(self, partitions: int = 3) -> None:
        self.log_id = LOG_ID
        self.positions = [1] * partitions
        self.begins = [0] * partitions
        self.changes: list[Change] = []
        self.unavailable = False
        self.reads = 0

    def append(self, partition: int = 0, entry: FeedEntry | None = None) -> Change:
        """Accept an event; return it with its place."""
        offset = self.positions[partition]
        change = Change(partition, offset, entry or entry_of(len(self.changes)))
        self.changes.append(change)
        self.positions[partition] = offset + 1
        return change

    def skip(self, partition: int = 0) -> None:
        """Append a record that is no accepted event."""
        self.positions[partition] += 1

    def forget(self, partition: int) -> None:
        """Keep nothing of what was accepted in a partition so far."""
        self.begins[partition] = self.positions[partition]
        self.changes = [change for change in self.changes if change.partition != partition]

    async def now(self) -> FeedPosition:
        # As a real one it lets others run before it answers.
        await asyncio.sleep(0)
        if self.unavailable:
            raise Unavailable("being filled")
        return FeedPosition(self.log_id, tuple(self.positions))

    async def read(self, position: FeedPosition, limit: int) -> Changes:
        self.reads += 1
        newest = await self.now()
        if position.log_id != newest.log_id or len(position.offsets) != len(newest.offsets):
            raise PositionLost("other-log")
        offsets = position.offsets
        behind = [partition for partition, offset in enumerate(offsets) if newest.offsets[partition] > offset]
        if any(offsets[partition] < self.begins[partition] for partition in behind):
            raise PositionLost("too-old")
        count = max(1, limit // max(1, len(behind)))
        entries: list[Change] = []
        reached, more = list(offsets), False
        for partition in behind:
            there = range(offsets[partition], newest.offsets[partition])
            found = [c for c in self.changes if c.partition == partition and c.offset in there][:count]
            entries += found
            reached[partition] = found[-1].offset + 1 if len(found) == count else newest.offsets[partition]
            more = more or len(found) == count
        return Changes(entries, FeedPosition(self.log_id, tuple(reached)), more)


def entry_of(number: int, *, kind: str = "user.registered", user: int = 1) -> FeedEntry:
    """Return an entry that tells its number."""
    event = {"id": event_id(number), "type": kind, "subject": user_id(user), "data": {"display_name": f"Ü {number}"}}
    return FeedEntry(kind, user_id(user), json.dumps(event, ensure_ascii=False).encode())
