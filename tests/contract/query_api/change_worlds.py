"""The two change logs with what fills them: the one in memory and the real one, written as the projector does."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from uuid import uuid4

from redis.asyncio import Redis

from query_api.change_log import ChangeLog
from query_api.redis_changes import RedisChanges
from read_models.feed import Change
from read_models.keys import Keys
from read_models.records import PartitionProgress
from runtime.redis_connection import RedisConnection
from tests.unit.query_api.memory_changes import MemoryChanges, entry_of
from tests.unit.query_api.memory_directory import LOG_ID

PARTITIONS = 3


class ChangeWorld(Protocol):
    """A log of three partitions, and the means to change it."""

    @property
    def log(self) -> ChangeLog: ...

    async def append(self, partition: int = 0) -> Change:
        """Accept an event."""
        ...

    async def skip(self, partition: int = 0) -> None:
        """Append a record that is no accepted event."""
        ...

    async def forget(self, partition: int) -> None:
        """Keep nothing of what was accepted in a partition so far."""
        ...

    async def fill_anew(self) -> None:
        """Begin to fill the read models from the log."""
        ...

    async def come_back_older(self) -> None:
        """Have projected nothing yet, though complete: what a Redis that was rolled back looks like."""
        ...

    async def come_back(self) -> None:
        """Be as far as before."""
        ...

    async def change_log(self, log_id: str) -> None:
        """Serve another log."""
        ...


ChangeWorldMaker = Callable[[], AbstractAsyncContextManager[ChangeWorld]]


class MemoryChangeWorld:
    def __init__(self) -> None:
        self.log = MemoryChanges(PARTITIONS)
        self._positions = self.log.positions

    async def append(self, partition: int = 0) -> Change:
        return self.log.append(partition)

    async def skip(self, partition: int = 0) -> None:
        self.log.skip(partition)

    async def forget(self, partition: int) -> None:
        self.log.forget(partition)

    async def fill_anew(self) -> None:
        self.log.unavailable = True

    async def come_back_older(self) -> None:
        self.log.positions = [1] * PARTITIONS

    async def come_back(self) -> None:
        self.log.positions = self._positions

    async def change_log(self, log_id: str) -> None:
        self.log.log_id = log_id


class RedisChangeWorld:
    """A generation under a key prefix of its own."""

    def __init__(self, redis: Redis, connection: RedisConnection) -> None:
        prefix = f"test-{uuid4().hex}"
        self.redis = redis
        self.keys = Keys(prefix)
        self.log = RedisChanges(connection, prefix)
        self._positions = [1] * PARTITIONS
        self._count = 0

    async def open(self, number: int = 1, log_id: str = LOG_ID) -> None:
        """Make a generation the live one, and complete, as far as the one before."""
        self.generation = self.keys.generation(number)
        await self.come_back()
        await self.redis.set(self.keys.live, f"{number} {log_id} 1")

    async def append(self, partition: int = 0) -> Change:
        change = Change(partition, self._positions[partition], entry_of(self._count))
        self._count += 1
        await self.write(change)
        await self.skip(partition)
        return change

    async def write(self, change: Change) -> None:
        """Write the entry, but not how far the partition is."""
        stream = self.generation.changes(change.partition)
        await self.redis.xadd(stream, {"e": change.entry.encode()}, id=f"{change.offset}-1")

    async def skip(self, partition: int = 0) -> None:
        self._positions[partition] += 1
        await self._progress(partition, self._positions[partition])

    async def forget(self, partition: int) -> None:
        await self.redis.delete(self.generation.changes(partition))
        await self.redis.set(self.generation.changes_from(partition), self._positions[partition])

    async def fill_anew(self) -> None:
        await self.redis.set(self.keys.live, f"1 {LOG_ID} 0")

    async def come_back_older(self) -> None:
        for partition in range(PARTITIONS):
            await self._progress(partition, 1)

    async def come_back(self) -> None:
        for partition, position in enumerate(self._positions):
            await self._progress(partition, position)

    async def change_log(self, log_id: str) -> None:
        await self.open(2, log_id)

    async def _progress(self, partition: int, position: int) -> None:
        await self.redis.set(self.generation.partition(partition), PartitionProgress(position, 0, "epoch").encode())


@asynccontextmanager
async def memory_change_world() -> AsyncIterator[ChangeWorld]:
    yield MemoryChangeWorld()


@asynccontextmanager
async def redis_change_world(url: str) -> AsyncIterator[RedisChangeWorld]:
    redis = Redis.from_url(url)
    connection = RedisConnection(url)
    await connection.start()
    try:
        world = RedisChangeWorld(redis, connection)
        await world.open()
        yield world
    finally:
        await connection.close()
        await redis.aclose()
