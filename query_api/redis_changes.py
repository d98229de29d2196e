"""The accepted events in Redis: a stream for each partition."""

from query_api.change_log import Changes, PositionLost
from query_api.redis_reader import Command, RedisReader
from read_models.feed import Change, FeedPosition, changes_in
from read_models.keys import GenerationKeys, Keys
from runtime.redis_connection import RedisConnection


class RedisChanges:
    """See `ChangeLog`; each answer is from one moment of the live generation, if that is complete."""

    def __init__(self, redis: RedisConnection, key_prefix: str) -> None:
        self._reader = RedisReader(redis, Keys(key_prefix))

    async def now(self) -> FeedPosition:
        """Return the position behind everything."""
        _, positions, log_id = await self._reader.read(lambda _: (), None)
        return FeedPosition(log_id, tuple(positions))

    async def read(self, position: FeedPosition, limit: int) -> Changes:
        """Return what follows a position.

        Asked first is how far the partitions are: mostly nothing follows, and then no stream need be looked at.
        """
        newest = await self.now()
        _check(position, newest)
        offsets = position.offsets
        behind = [partition for partition, offset in enumerate(offsets) if newest.offsets[partition] > offset]
        if not behind:
            return Changes([], position, more=False)
        count = max(1, limit // len(behind))

        def commands(generation: GenerationKeys) -> list[Command]:
            streams: list[Command] = [
                ("XRANGE", generation.changes(partition), offsets[partition], "+", "COUNT", count)
                for partition in behind
            ]
            return [("MGET", *map(generation.changes_from, behind)), *streams]

        (begins, *streams), positions, log_id = await self._reader.read(commands, None)
        _check(position, FeedPosition(log_id, tuple(positions)))
        entries: list[Change] = []
        reached = list(offsets)
        more = False
        for partition, begin, stream in zip(behind, begins, streams, strict=True):
            if begin is not None and offsets[partition] < int(begin):
                raise PositionLost("too-old")
            found = changes_in(partition, stream)
            entries += found
            if found:
                reached[partition] = found[-1].offset + 1
            if len(found) < count:
                # Behind the last entry there may be records that are no accepted events. A Redis that came back older
                # is behind its readers for a while, one in which a batch was written in part is behind the entry.
                reached[partition] = max(reached[partition], positions[partition])
            else:
                more = True
        return Changes(entries, FeedPosition(log_id, tuple(reached)), more)


def _check(position: FeedPosition, newest: FeedPosition) -> None:
    if position.log_id != newest.log_id or len(position.offsets) != len(newest.offsets):
        raise PositionLost("other-log")
