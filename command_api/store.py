"""The read models as the command API sees them: the one module of this process that knows Redis."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from command_api.settings import CommandSettings
from read_models import write_calls
from read_models.calls import Call, NotReady, OtherGeneration
from read_models.keys import Keys
from read_models.records import HistoryEntry, LivePointer, UserRecord
from read_models.write_calls import (
    DoneUnderKey,
    EventRef,
    Idempotency,
    Loaded,
    Outcome,
    PendingUnderKey,
    ReserveReply,
    Wanted,
)
from runtime.redis_connection import Overloaded, RedisConnection
from runtime.startup import StartupError
from user_directory_events import UniqueField
from user_directory_events.codec import new_event_id

T = TypeVar("T")

_POLL_SECONDS = 0.25
_RESUBSCRIBE_SECONDS = 0.2
_CANCEL_AGAIN_SECONDS = 0.05
# A step takes Redis 30 µs for each event, and should take less than 2 ms.
_RESERVED_IN_STEP = 32
_REDIS_TIMEOUT_SECONDS = 1.0

log = logging.getLogger(__name__)


class StoreUnavailable(Exception):
    """Redis does not answer, or its guard lets nobody write; a call that was sent may have been executed."""


class Store:
    """Reservations, outcomes, and the wake-up calls of the projector."""

    def __init__(self, settings: CommandSettings) -> None:
        self._keys = Keys(settings.redis_key_prefix)
        self._connection = RedisConnection(settings.redis_address, timeout_seconds=_REDIS_TIMEOUT_SECONDS)
        self._subscriber = Redis.from_url(settings.redis_address, socket_connect_timeout=2, health_check_interval=2)
        self._process = new_event_id()
        self._live: LivePointer | None = None
        self._log_id = ""
        self._waiting: dict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._watched: dict[str, Callable[[str], None]] = {}
        self._listener: asyncio.Task[None] | None = None
        self._lifetime_ms = round(settings.event_deadline_seconds * 1000)

    async def start(self) -> None:
        """Connect, and begin to listen for wake-up calls."""
        await self._connection.start()
        self._listener = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Close the connections."""
        if self._listener is not None:
            # Once is not enough: redis-py swallows a cancellation that comes while it connects or subscribes.
            while not self._listener.done():
                self._listener.cancel()
                await asyncio.wait([self._listener], timeout=_CANCEL_AGAIN_SECONDS)
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        await self._subscriber.aclose()
        await self._connection.close()

    @property
    def log_id(self) -> str:
        """Return the identity of the log that was served last."""
        return self._log_id

    async def not_ready_because(self) -> str | None:
        """Say why nothing can be written now, or None."""
        try:
            await self.load(new_event_id(), None)
        except StoreUnavailable as error:
            return str(error)
        return None

    async def load(self, user_id: str, idempotency: Idempotency | None) -> Loaded | DoneUnderKey | PendingUnderKey:
        """Load what a decision needs.

        Raises:
            StoreUnavailable: see there.
        """
        return await self._run(lambda live: write_calls.load(self._keys, live, self._process, user_id, idempotency))

    async def reserve(
        self,
        *,
        event_id: str,
        user_id: str,
        partition: int,
        version: int,
        unique_values: Sequence[tuple[UniqueField, str]],
        idempotency: Idempotency | None,
    ) -> ReserveReply:
        """Reserve what an event needs; see `write_calls.Wanted`.

        Raises:
            StoreUnavailable: see there.
        """
        return (await self.reserve_all([Wanted(event_id, user_id, partition, version, unique_values, idempotency)]))[0]

    async def reserve_all(self, wanted: Sequence[Wanted]) -> list[ReserveReply]:
        """Reserve what some events need, one after the other, in few steps; see `write_calls.reserve_all`.

        Raises:
            StoreUnavailable: see there.
        """
        parts = [wanted[first : first + _RESERVED_IN_STEP] for first in range(0, len(wanted), _RESERVED_IN_STEP)]
        # In one round trip, and in order: the connection sends together what one turn of the event loop asks for.
        replies = await asyncio.gather(*map(self._reserve_some, parts))
        return [reply for part in replies for reply in part]

    async def _reserve_some(self, wanted: Sequence[Wanted]) -> list[ReserveReply]:
        return await self._run(
            lambda live: write_calls.reserve_all(self._keys, live, self._process, wanted, lifetime_ms=self._lifetime_ms)
        )

    async def release(self, partition: int, event_id: str) -> None:
        """Give back the reservation of an event that was never sent; if that fails, its deadline does it."""
        with contextlib.suppress(StoreUnavailable):
            await self._run(lambda _: write_calls.release(self._keys, partition, event_id))

    async def outcome(self, event: EventRef) -> Outcome:
        """Ask what became of an event.

        Raises:
            StoreUnavailable: see there.
        """
        return (await self.outcomes([event]))[0]

    async def outcomes(self, events: Sequence[EventRef]) -> list[Outcome]:
        """Ask what became of some events.

        Raises:
            StoreUnavailable: see there.
        """
        return await self._run(lambda live: write_calls.outcomes(self._keys, live, events))

    async def history(self, user_id: str, up_to: int) -> list[HistoryEntry]:
        """Return the user's first accepted events.

        Raises:
            StoreUnavailable: see there.
        """

        async def read(live: LivePointer) -> list[bytes]:
            key = self._keys.generation(live.generation).history(user_id)
            read_both = [("MULTI",), ("GET", self._keys.live), ("LRANGE", key, 0, up_to - 1), ("EXEC",)]
            pointer, entries = (await self._connection.execute_many(read_both))[-1]
            if pointer is None or LivePointer.decode(pointer).identity != live.identity:
                raise OtherGeneration
            found: list[bytes] = entries
            return found

        return [HistoryEntry.decode(entry) for entry in await self._guarded(read)]

    async def settled(self, event: EventRef, *, until: float, ask_first: bool) -> Outcome:
        """Wait until the outcome of an event is known, or until a time of the event loop's clock.

        Args:
            event: the event.
            until: when to give up; the outcome is then `pending`.
            ask_first: whether the outcome may be there already, as it is not right after an append.
        """
        loop = asyncio.get_running_loop()
        ask = ask_first
        while True:
            woken: asyncio.Future[None] = loop.create_future()
            self._waiting[event.event_id].add(woken)
            try:
                if ask:
                    with contextlib.suppress(StoreUnavailable):
                        outcome = await self.outcome(event)
                        if outcome.status != "pending":
                            return outcome
                rest = until - loop.time()
                if rest <= 0:
                    return Outcome("pending")
                await asyncio.wait([woken], timeout=min(rest, _POLL_SECONDS))
                ask = True
            finally:
                self._forget(event.event_id, woken)

    def watch(self, event_id: str, on_wake: Callable[[str], None]) -> None:
        """Have a function called with an event's id when its outcome may be known; `unwatch` ends it.

        For who waits for many events and asks for their outcomes in one call. An event has one watcher: its writer.
        """
        self._watched[event_id] = on_wake

    def unwatch(self, event_id: str) -> None:
        """End what `watch` began."""
        self._watched.pop(event_id, None)

    def _forget(self, event_id: str, woken: asyncio.Future[None]) -> None:
        waiting = self._waiting[event_id]
        waiting.discard(woken)
        if not waiting:
            del self._waiting[event_id]

    async def _run(self, call: Callable[[LivePointer], Call[T]]) -> T:
        async def run(live: LivePointer) -> T:
            made = call(live)
            command = ("EVALSHA", made.script.sha, len(made.keys), *made.keys, *made.arguments)
            try:
                reply = await self._connection.execute(*command)
            except NoScriptError:
                load = ("SCRIPT", "LOAD", made.script.source)
                reply = (await self._connection.execute_many([load, command]))[1]
            return made.result(reply)

        return await self._guarded(run)

    async def _guarded(self, action: Callable[[LivePointer], Awaitable[T]]) -> T:
        """Run an action on the live generation; read the pointer again where it has moved."""
        try:
            for _ in range(3):
                live = self._live or await self._read_pointer()
                try:
                    return await action(live)
                except OtherGeneration:
                    self._live = None
        except NotReady:
            raise StoreUnavailable("the read models are being prepared") from None
        except Overloaded as error:
            raise StoreUnavailable("too many requests wait for Redis") from error
        except RedisError as error:
            raise StoreUnavailable(f"Redis does not answer ({type(error).__name__})") from error
        raise StoreUnavailable("the live generation keeps changing")

    async def _read_pointer(self) -> LivePointer:
        value = await self._connection.execute("GET", self._keys.live)
        if value is None:
            raise NotReady
        self._live = live = LivePointer.decode(value)
        self._log_id = live.log_id
        return live

    async def _listen(self) -> None:
        """Wake who waits for an event; after a break wake everybody, as calls may have been missed."""
        channel = self._keys.wake + self._process
        while True:
            try:
                async with self._subscriber.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(channel)
                    self._wake([*self._waiting, *self._watched])
                    async for message in subscription.listen():
                        self._wake(message["data"].decode().split(" "))
            except (RedisError, OSError) as error:
                log.warning("wake channel lost", extra={"error": type(error).__name__})
            await asyncio.sleep(_RESUBSCRIBE_SECONDS)

    def _wake(self, event_ids: Sequence[str]) -> None:
        for event_id in event_ids:
            if (on_wake := self._watched.get(event_id)) is not None:
                on_wake(event_id)
            for woken in self._waiting.get(event_id, ()):
                if not woken.done():
                    woken.set_result(None)


def state_record(loaded: Loaded) -> UserRecord:
    """Return the record that a decision is made on."""
    return loaded.record or UserRecord(version=0, partition=0, offset=-1, presence="none")


async def check_redis(settings: CommandSettings) -> None:
    """Wait until Redis answers, and check that it never evicts what it holds.

    Raises:
        StartupError: it does not answer in time, or it would evict.
    """
    redis = Redis.from_url(settings.redis_address, socket_connect_timeout=2, socket_timeout=2)
    try:
        policy = await _eviction_policy(redis, settings.startup_wait_seconds)
    finally:
        await redis.aclose()
    if policy != "noeviction":
        raise StartupError(f"Redis runs with maxmemory-policy {policy}: set it to noeviction")


async def _eviction_policy(redis: Redis, wait_seconds: float) -> str:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    while True:
        try:
            return str((await redis.info("memory")).get("maxmemory_policy"))
        except RedisError as error:
            if loop.time() > deadline:
                raise StartupError(
                    f"Redis at REDIS_URL does not answer ({type(error).__name__}): start it or set REDIS_URL"
                ) from error
            await asyncio.sleep(0.5)
