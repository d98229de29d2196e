"""Asking the live generation of the read models, whichever it is: what all questions to Redis have in common."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from redis import exceptions as redis_errors

from query_api.directory import NotYetVisible, Unavailable, WrongToken
from read_models import read_calls
from read_models.calls import Argument, Call, NotReady, OtherGeneration
from read_models.consistency import ConsistencyToken
from read_models.keys import GenerationKeys, Keys
from read_models.read_calls import Source
from read_models.records import LivePointer
from runtime.redis_connection import Overloaded, RedisConnection, Reply, Script

T = TypeVar("T")
Command = Sequence[Argument]
CallFor = Callable[[Keys, Source, Mapping[int, int]], Call[T]]
"""Makes the call for a generation, with the offsets by partition that the answer must show."""

# A question is asked anew when the live generation has just changed, which happens once in a rebuild.
ATTEMPTS: Final = 5
_PARTITIONS_AT_ONCE: Final = 64

# What tells of Redis's state; any other error reply is a fault of ours, which trying again would not mend.
_REDIS_DOWN: Final = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ClusterDownError,
    Overloaded,
)


class RedisReader:
    """Remember which generation is the live one; each question checks it."""

    def __init__(self, redis: RedisConnection, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._live = keys.live
        self._scripts: dict[str, Script] = {}
        self.source: Source | None = None

    async def ask(self, call_for: CallFor[T], seen: ConsistencyToken | None) -> tuple[T, str]:
        """Return the reply of a call, not older than `seen`, and the log's id.

        Raises:
            Unavailable: see there.
            NotYetVisible: see there.
            WrongToken: see there.
        """
        for _ in range(ATTEMPTS):
            source = self.source or await self.load_source()
            call = call_for(self._keys, source, {} if seen is None else seen.offsets)
            try:
                reply = call.result(await self._run(call))
            except OtherGeneration:
                self.source = None
                continue
            except NotReady:
                raise _incomplete() from None
            except read_calls.NotYetVisible:
                reply = None
            # Not before: another log may have become the live one since the source was remembered.
            if seen is not None:
                check_token(seen, source)
            if reply is None:
                raise too_old()
            return reply, source.log_id
        raise unstable()

    async def read(
        self, commands_for: Callable[[GenerationKeys], Sequence[Command]], seen: ConsistencyToken | None
    ) -> tuple[list[Reply], list[int], str]:
        """Return the replies of commands that only read, the next position of each partition and the log's id.

        All is from one moment, by a transaction instead of a script: Redis gives out a list of large values at a tenth
        of the cost when it need not pass through Lua. Raises what `ask` raises.
        """
        for _ in range(ATTEMPTS):
            source = self.source or await self.load_source()
            partitions = map(source.generation.partition, range(source.partitions))
            commands = commands_for(source.generation)
            (pointer, *progress), *replies = await self._transaction([("MGET", self._live, *partitions), *commands])
            if pointer != source.pointer:
                self.source = None
                continue
            if None in progress:
                raise _incomplete()
            if seen is not None:
                check_token(seen, source)
                check_visible(seen, [progress[partition] for partition in seen.offsets])
            return replies, list(map(_position, progress)), source.log_id
        raise unstable()

    async def load_source(self) -> Source:
        """Read which generation is live.

        Raises:
            Unavailable: see there.
        """
        value = await self.execute("GET", self._live)
        if value is None:
            raise _incomplete()
        pointer = LivePointer.decode(value)
        generation = self._keys.generation(pointer.generation)
        partitions = await self._count(generation.partition) if pointer.complete else 0
        if partitions == 0:
            raise _incomplete()
        self.source = Source(value, pointer.log_id, generation, partitions)
        return self.source

    async def _count(self, key: Callable[[int], str]) -> int:
        """Count the keys, numbered from 0 without gaps, that exist."""
        count = 0
        while True:
            values: list[bytes | None] = await self.execute(
                "MGET", *map(key, range(count, count + _PARTITIONS_AT_ONCE))
            )
            if None in values:
                return count + values.index(None)
            count += len(values)

    def send_at_once(self, *command: Argument) -> "asyncio.Future[Reply] | None":
        """Send one command; None: there is no connection now. Raises what Redis's errors are, instead of ours."""
        return self._redis.send_at_once(*command)

    async def execute(self, *command: Argument) -> Reply:
        """Execute one command.

        Raises:
            Unavailable: Redis does not answer.
        """
        try:
            return await self._redis.execute(*command)
        except _REDIS_DOWN as error:
            raise _down() from error

    async def _transaction(self, commands: Sequence[Command]) -> list[Reply]:
        try:
            *_, replies = await self._redis.execute_many([("MULTI",), *commands, ("EXEC",)])
        except _REDIS_DOWN as error:
            raise _down() from error
        found: list[Reply] = replies
        return found

    async def _run(self, call: Call[T]) -> Reply:
        script = self._scripts.get(call.script.sha)
        if script is None:
            script = self._scripts[call.script.sha] = self._redis.script(call.script.source)
        try:
            return await script(call.keys, call.arguments)
        except _REDIS_DOWN as error:
            raise _down() from error


def check_token(seen: ConsistencyToken, source: Source) -> None:
    """Refuse a token of another log.

    Raises:
        WrongToken: see there.
    """
    if seen.log_id != source.log_id or max(seen.offsets) >= source.partitions:
        raise WrongToken("The consistency token was made for another log than the one served here.")


def check_visible(seen: ConsistencyToken, progress: Sequence[bytes | None]) -> None:
    """Refuse to answer from partitions that are not as far as the token, given the progress of each that it names.

    Raises:
        NotYetVisible: see there.
    """
    positions = (0 if value is None else _position(value) for value in progress)
    if not seen.reached_by(zip(seen.offsets, positions, strict=True)):
        raise too_old()


def token_of(log_id: str, positions: Sequence[int]) -> str:
    """Return the token of an answer from read models that have these next positions of the partitions, from 0."""
    offsets = {partition: position - 1 for partition, position in enumerate(positions) if position > 0}
    return str(ConsistencyToken(log_id, offsets))


def too_old() -> NotYetVisible:
    """Make the error of read models that are older than the token."""
    return NotYetVisible("The read models have not reached the consistency token yet.")


def unstable() -> Unavailable:
    """Make the error of a live generation that changes again and again."""
    return Unavailable("The read models are changing over to another generation.")


def _position(progress: bytes) -> int:
    return int(progress.partition(b" ")[0])


def _down() -> Unavailable:
    return Unavailable("Redis does not answer.")


def _incomplete() -> Unavailable:
    return Unavailable("The read models are being filled from the log.")
