"""The two directories with what fills them: the one in memory and the real one, written as the projector does."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from uuid import uuid4

from redis.asyncio import Redis

from query_api.directory import Directory
from query_api.redis_directory import RedisDirectory
from read_models.keys import GenerationKeys, Keys
from read_models.listing import Listing, claim_tail
from read_models.records import HistoryEntry, PartitionProgress, UserRecord
from runtime.redis_connection import RedisConnection
from tests.unit.query_api.memory_directory import LOG_ID, MemoryDirectory
from user_directory_events import Gone, User, UserErased, UserEvent, comparable_email, evolve

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
        self._states: dict[str, User | Gone] = {}
        self._indexed: dict[str, set[tuple[str, bytes]]] = {}

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
        self._states[state.id] = state
        async with self.redis.pipeline(transaction=True) as batch:
            for index, member in self._indexed.pop(state.id, ()):
                batch.zrem(index, member)
            if isinstance(state, User):
                self._indexed[state.id] = set(_members(state, keys, mark))
            for index, member in self._indexed.get(state.id, ()):
                batch.zadd(index, {member: 0})
            record = UserRecord.of(
                state, version=state.version, partition=partition, offset=offset, void_ids=["void id"]
            )
            batch.set(keys.user(state.id), record.encode())
            batch.set(keys.partition(partition), PartitionProgress(offset + 1, 0, "epoch").encode())
            await batch.execute()
        return offset

    async def record(self, event: UserEvent, timestamp: int) -> None:
        key, state = self.keys.generation(1).history(event.subject), self._states.get(event.subject)
        entry = HistoryEntry.of(event, offset=self._positions[0], timestamp=timestamp)
        if isinstance(event, UserErased):
            await self.redis.delete(key)
        await self.redis.rpush(key, entry.encode())
        await self.put(evolve(state, event))

    async def fill_anew(self) -> None:
        await self.redis.set(self.keys.live, f"1 {LOG_ID} 0")


def _members(user: User, keys: GenerationKeys, mark: tuple[int, str]) -> Iterator[tuple[str, bytes]]:
    yield from Listing.of(user).members(keys, user.id)
    tail = b"\0" + claim_tail(*mark, user.id)
    yield keys.claims("email"), comparable_email(user.email).encode() + tail
    if user.external_id is not None:
        yield keys.claims("external_id"), user.external_id.encode() + tail


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
