"""The two directories, changed by events: that in memory by their states, the real one by the projector's batches."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final, Protocol
from uuid import uuid4

from projector.settings import ProjectorSettings
from projector.store import ReadModelStore
from query_api.directory import Directory
from query_api.redis_directory import RedisDirectory
from runtime.redis_connection import RedisConnection
from runtime.settings import load
from tests.sample_events import EPOCH, NOW
from tests.small_projector import SmallProjector
from tests.unit.query_api.memory_directory import MemoryDirectory
from user_directory_events import Gone, User, UserEvent

# These machines are slow at times; what counts is the answer.
_PATIENCE: Final = 60


class ProjectedWorld(Protocol):
    """A directory, empty at first."""

    @property
    def directory(self) -> Directory: ...

    def project(self, event: UserEvent, state: User | Gone) -> None:
        """Let an event happen, which leads to this state of its user."""


Use = Callable[[ProjectedWorld], Coroutine[None, None, None]]


class ProjectedWorlds(Protocol):
    """Makes worlds, each for one example of a test."""

    def run(self, use: Use) -> None:
        """Do something with a world of its own."""


class MemoryProjectedWorld:
    def __init__(self) -> None:
        self.directory = MemoryDirectory(1)

    def project(self, event: UserEvent, state: User | Gone) -> None:
        self.directory.put(state)


class RedisProjectedWorld:
    def __init__(self, connection: RedisConnection, store: ReadModelStore, prefix: str) -> None:
        self.directory = RedisDirectory(connection, prefix)
        self._projector = SmallProjector(store)
        self._projector.open_epoch(EPOCH, NOW)

    def project(self, event: UserEvent, state: User | Gone) -> None:
        self._projector.append(event, NOW)
        self._projector.project()


class MemoryProjectedWorlds:
    def run(self, use: Use) -> None:
        asyncio.run(use(MemoryProjectedWorld()))


class RedisProjectedWorlds:
    """Worlds in one Redis, with one connection for all."""

    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        self._url = url
        self._runner = runner
        self._connection = RedisConnection(url, timeout_seconds=_PATIENCE, connect_timeout_seconds=_PATIENCE)
        runner.run(self._connection.start())

    def run(self, use: Use) -> None:
        prefix = f"test-{uuid4().hex}"
        store = ReadModelStore(load(ProjectorSettings, {"REDIS_URL": self._url, "REDIS_KEY_PREFIX": prefix}))
        try:
            self._runner.run(use(RedisProjectedWorld(self._connection, store, prefix)))
        finally:
            store.close()

    def close(self) -> None:
        self._runner.run(self._connection.close())
