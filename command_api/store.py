"""The read models as the command API sees them: the one module of this process that knows Redis."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from command_api.gathering import Gathered
from command_api.settings import CommandSettings
from command_api.wake_calls import OnWake, WakeCalls
from read_models import write_calls
from read_models.calls import Call, NotReady, OtherGeneration
from read_models.keys import Keys
from read_models.records import HistoryEntry, LivePointer
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
from user_directory_events.codec import new_event_id

Q = TypeVar("Q")
T = TypeVar("T")

# A step should take less than 2 ms of Redis's time: 30 µs for each reservation, 3 µs for each outcome.
_RESERVED_IN_STEP = 32
_TOLD_IN_STEP = 128
_REDIS_TIMEOUT_SECONDS = 1.0


class StoreUnavailable(Exception):
    """Redis does not answer, or its guard lets nobody write; a call that was sent may have been executed."""


class Store:
    """Reservations, outcomes, and the wake-up calls of the projector."""

    def __init__(self, settings: CommandSettings) -> None:
        self._keys = Keys(settings.redis_key_prefix)
        self._connection = RedisConnection(settings.redis_address, timeout_seconds=_REDIS_TIMEOUT_SECONDS)
        self._process = new_event_id()
        self._wake_calls = WakeCalls(settings.redis_address, self._keys.wake + self._process, self._woken)
        self.on_wake: OnWake = lambda _: None
        self._live: LivePointer | None = None
        self._log_id = ""
        self._lifetime_ms = round(settings.event_deadline_seconds * 1000)

    async def start(self) -> None:
        """Connect, and begin to listen for wake-up calls."""
        await self._connection.start()
        self._wake_calls.start()

    async def close(self) -> None:
        """Close the connections."""
        await self._wake_calls.close()
        await self._connection.close()

    def _woken(self, event_ids: Sequence[str] | None) -> None:
        self.on_wake(event_ids)

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

    async def reserve(self, wanted: Wanted) -> ReserveReply:
        """Reserve what one event needs, in one call with what others ask for meanwhile.

        Raises:
            StoreUnavailable: see there.
        """
        return await self._reservations(wanted)

    @cached_property
    def _reservations(self) -> Gathered[Wanted, ReserveReply]:
        return Gathered(self.reserve_all)

    async def reserve_all(self, wanted: Sequence[Wanted]) -> list[ReserveReply]:
        """Reserve what some events need, one after the other, in few steps; see `write_calls.reserve_all`.

        Raises:
            StoreUnavailable: see there.
        """
        return await self._in_steps(
            wanted,
            _RESERVED_IN_STEP,
            lambda live, some: write_calls.reserve_all(
                self._keys, live, self._process, some, lifetime_ms=self._lifetime_ms
            ),
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
        return await self._in_steps(
            events, _TOLD_IN_STEP, lambda live, some: write_calls.outcomes(self._keys, live, some)
        )

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

    async def _in_steps(
        self, asked: Sequence[Q], most: int, call: Callable[[LivePointer, Sequence[Q]], Call[list[T]]]
    ) -> list[T]:
        """Ask for many things in steps that do not hold Redis up; in one round trip, and in order."""
        if len(asked) <= most:
            return await self._run(lambda live: call(live, asked))
        parts = [asked[first : first + most] for first in range(0, len(asked), most)]
        # The connection sends together what one turn of the event loop asks for.
        replies = await asyncio.gather(*(self._in_steps(part, most, call) for part in parts))
        return [reply for part in replies for reply in part]

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
