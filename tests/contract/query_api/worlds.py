"""The two directories with what fills them: the one in memory and the real one, written as the projector does."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from uuid import uuid4

from redis.asyncio import Redis

from query_api.directory import Directory
from query_api.redis_directory import RedisDirectory
from read_models.keys import Keys
from read_models.records import HistoryEntry, PartitionProgress, UserRecord
from runtime.redis_connection import RedisConnection
from tests.unit.query_api.memory_directory import LOG_ID, MemoryDirectory, place
from user_directory_events import Gone, User, UserErased, UserEvent, comparable_email, encode, evolve

PARTITIONS = 3


class World(Protocol):
    """A directory of three partitions, complete and empty at first, and the means to change it."""

    @property
    def directory(self) -> Directory: ...

    async def put(self, state: User | Gone, *, partition: int = 0, mark: tuple[int, str] = (0, "-")) -> int:
        """Store a user's next state at the next offset of the partition, which is returned.

        `mark` stands beside the user's claims.
        """
        ...

    async def record(self, event: UserEvent, timestamp: int) -> None:
        """Store an accepted event, with the broker's timestamp in milliseconds, and the user's state after it."""

    async def fill_anew(self) -> None:
        """Begin to fill the read models from the log."""


WorldMaker = Callable[[], AbstractAsyncContextManager[World]]


class MemoryWorld:
    def __init__(self) -> None:
        self.directory = MemoryDirectory(PARTITIONS)

    async def put(self, state: User | Gone, *, partition: int = 0, mark: tuple[int, str] = (0, "-")) -> int:
        self.directory.put(state, partition)
        if isinstance(state, User):
            self.directory.marks[comparable_email(state.email), state.id] = mark
        return self.directory.positions[partition] - 1

    async def record(self, event: UserEvent, timestamp: int) -> None:
        self.directory.record(event, timestamp)

    async def fill_anew(self) -> None:
        self.directory.unavailable = "being filled"


class RedisWorld:
    """Generation 1 under a key prefix of its own."""

    def __init__(self, redis: Redis, connection: RedisConnection, partitions: int = PARTITIONS) -> None:
        self.redis = redis
        prefix = f"test-{uuid4().hex}"
        self.keys = Keys(prefix)
        self.directory = RedisDirectory(connection, prefix)
        self._positions = [1] * partitions
        self._users: dict[str, User] = {}

    async def open(self, number: int = 1, *, log_id: str = LOG_ID) -> None:
        """Make a generation the live one, and complete."""
        generation = self.keys.generation(number)
        for partition, position in enumerate(self._positions):
            await self.redis.set(generation.partition(partition), PartitionProgress(position, 0, "epoch").encode())
        await self.redis.set(self.keys.live, f"{number} {log_id} 1")

    async def put(
        self, state: User | Gone, *, partition: int = 0, mark: tuple[int, str] = (0, "-"), generation: int = 1
    ) -> int:
        keys = self.keys.generation(generation)
        offset = self._positions[partition]
        self._positions[partition] += 1
        async with self.redis.pipeline(transaction=True) as batch:
            if (before := self._users.pop(state.id, None)) is not None:
                batch.zrem(keys.by_creation, place(before))
                batch.hdel(keys.claims("email", comparable_email(before.email)), before.id)
            if isinstance(state, User):
                self._users[state.id] = state
                record = UserRecord(state.version, partition, offset, "active", state.to_json(), ["void id"])
                batch.zadd(keys.by_creation, {place(state): 0})
                batch.hset(keys.claims("email", comparable_email(state.email)), state.id, f"{mark[0]} {mark[1]}")
            else:
                record = UserRecord(state.version, partition, offset, "erased" if state.erased else "gone")
            batch.set(keys.user(state.id), record.encode())
            batch.set(keys.partition(partition), PartitionProgress(offset + 1, 0, "epoch").encode())
            await batch.execute()
        return offset

    async def record(self, event: UserEvent, timestamp: int) -> None:
        key, state = self.keys.generation(1).history(event.subject), self._users.get(event.subject)
        entry = HistoryEntry(event.id, self._positions[0], timestamp, encode(event)[1])
        if isinstance(event, UserErased):
            await self.redis.delete(key)
        await self.redis.rpush(key, entry.encode())
        await self.put(evolve(state, event))

    async def fill_anew(self) -> None:
        await self.redis.set(self.keys.live, f"1 {LOG_ID} 0")


@asynccontextmanager
async def memory_world() -> AsyncIterator[World]:
    yield MemoryWorld()


@asynccontextmanager
async def redis_world(url: str, partitions: int = PARTITIONS) -> AsyncIterator[RedisWorld]:
    redis = Redis.from_url(url)
    connection = RedisConnection(url)
    await connection.start()
    try:
        world = RedisWorld(redis, connection, partitions)
        await world.open()
        yield world
    finally:
        await connection.close()
        await redis.aclose()
