"""The store of the command API with a projector behind it, in memory and on a real Redis."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from command_api.settings import CommandSettings
from command_api.store import Store
from command_api.verdicts import Verdicts
from projector.settings import ProjectorSettings
from projector.store import ReadModelStore
from read_models.write_calls import EventRef, Idempotency, Loaded, Reserved, Wanted
from tests.memory_read_models import MemoryReadModels, now_ms
from tests.sample_events import EPOCH, event_id, registered, user_id
from tests.small_projector import SmallProjector
from tests.unit.command_api.memory_store import MemoryStore
from user_directory_events import UniqueField, UserEvent, comparable
from user_directory_events.timestamps import ENDLESS

PARTITIONS = 2
LIFETIME_MS = 10_000
SKEW_MS = 2000


@dataclass
class World:
    """A store, and a log that is projected when the test says so. Users of these tests live in partition 0."""

    store: Store
    projector: SmallProjector
    verdicts: Verdicts

    def open(self, epoch: str = EPOCH) -> None:
        """Let writes in."""
        self.projector.open_epoch(epoch, now_ms())

    def happened(self, *events: UserEvent, timestamp: int | None = None) -> list[int]:
        """Append events and project them; return their offsets."""
        offsets = [self.projector.append(event, timestamp or now_ms()) for event in events]
        self.projector.project()
        return offsets

    async def reserve(
        self,
        number: int = 1,
        *,
        user: int = 1,
        version: int = 0,
        email: str | None = "jo@example.org",
        external_id: str | None = None,
        key: Idempotency | None = None,
    ) -> object:
        """Reserve for event `number` of a user."""
        values: list[tuple[UniqueField, str]] = []
        if email is not None:
            values.append(("email", comparable("email", email)))
        if external_id is not None:
            values.append(("external_id", external_id))
        [reply] = await self.store.reserve_all([Wanted(event_id(number), user_id(user), 0, version, values, key)])
        return reply

    async def reserved(self, number: int = 1, **what: object) -> EventRef:
        """Reserve, and be sure of it."""
        found = await self.reserve(number, **what)  # type: ignore[arg-type]
        assert isinstance(found, Reserved)
        version = what.get("version", 0)
        assert isinstance(version, int)
        user = what.get("user", 1)
        assert isinstance(user, int)
        return EventRef(event_id(number), user_id(user), version + 1, 0, found.deadline, found.epoch)

    async def load(self, user: int = 1, key: Idempotency | None = None) -> object:
        """Load a user."""
        return await self.store.load(user_id(user), key)

    async def version(self, user: int = 1) -> int:
        """Return a user's version."""
        found = await self.load(user)
        assert isinstance(found, Loaded)
        return found.record.version if found.record else 0


WorldMaker = Callable[[], AbstractAsyncContextManager[World]]


def registration(number: int = 1, **attributes: Any) -> UserEvent:
    """Return the registration of a user, with a deadline that is not past."""
    return registered(number, **{"deadline": ENDLESS, **attributes})


@asynccontextmanager
async def memory_world() -> AsyncIterator[World]:
    """Make a world in memory."""
    models = MemoryReadModels()
    store = MemoryStore(models, LIFETIME_MS)
    verdicts = Verdicts(store)
    yield World(store, SmallProjector(models, partitions=PARTITIONS, skew_ms=SKEW_MS), verdicts)
    await verdicts.close()


@asynccontextmanager
async def redis_world(redis_url: str) -> AsyncIterator[World]:
    """Make a world in Redis, under keys of its own."""
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    models = ReadModelStore(ProjectorSettings(redis_url=redis_url, redis_key_prefix=prefix))
    store = Store(
        CommandSettings(redis_url=redis_url, redis_key_prefix=prefix, event_deadline_seconds=LIFETIME_MS / 1000)
    )
    projector = SmallProjector(models, partitions=PARTITIONS, skew_ms=SKEW_MS)
    listening = asyncio.Event()
    store.on_wake = lambda _: listening.set()
    await store.start()
    await listening.wait()
    verdicts = Verdicts(store)
    try:
        yield World(store, projector, verdicts)
    finally:
        await verdicts.close()
        await store.close()
        models.close()
