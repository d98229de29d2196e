"""The read models in Redis: the only module here that knows it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from redis import exceptions as redis_errors

from query_api.directory import (
    FoundUser,
    ListQuery,
    NotYetVisible,
    Unavailable,
    UserGone,
    UserNotFound,
    UserPage,
    WrongToken,
)
from read_models import read_calls, scripts
from read_models.calls import Call, NotReady, OtherGeneration
from read_models.consistency import ConsistencyToken
from read_models.keys import Keys
from read_models.read_calls import Listed, Source
from read_models.records import LivePointer, split_record
from runtime.redis_connection import Overloaded, RedisConnection, Reply

# A question is asked anew when the live generation has just changed, which happens once in a rebuild.
_ATTEMPTS: Final = 5
_PARTITIONS_AT_ONCE: Final = 64
_ACTIVE: Final = "A"
_NONE: Final = "N"

# What tells of Redis's state; any other error reply is a fault of ours, which trying again would not mend.
_REDIS_DOWN: Final = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ClusterDownError,
    Overloaded,
)


class RedisDirectory:
    """Answer each question in one atomic round trip, see `Directory`.

    The live generation is remembered, and checked by each question.
    """

    def __init__(self, redis: RedisConnection, key_prefix: str) -> None:
        self._redis = redis
        self._keys = Keys(key_prefix)
        self._live = self._keys.live
        self._scripts = {
            script.sha: redis.script(script.source) for script in (scripts.LIST_BY_CREATION, scripts.FIND_OWNER)
        }
        self._source: Source | None = None

    async def user(self, user_id: str, seen: ConsistencyToken | None) -> FoundUser:
        """Find a user by id."""
        for _ in range(_ATTEMPTS):
            source = self._source or await self._load_source()
            names = [self._live, source.generation.user(user_id)]
            if seen is not None:
                names += map(source.generation.partition, seen.offsets)
            # As atomic as a script, and cheaper.
            pointer, record, *progress = await self._execute("MGET", *names)
            if pointer == source.pointer:
                if seen is not None:
                    _check_token(seen, source)
                    _check_visible(seen, progress)
                return _found(record, source.log_id)
            self._source = None
        raise _unstable()

    async def owner_of_email(self, comparable_email: str, seen: ConsistencyToken | None) -> UserPage:
        """List the one user, or none, who has this address."""

        def call(source: Source, offsets: Mapping[int, int]) -> Call[Listed]:
            return read_calls.find_owner(self._keys, source, offsets, "email", comparable_email)

        return await self._list(call, seen)

    async def list_users(self, query: ListQuery, seen: ConsistencyToken | None) -> UserPage:
        """List users in the order of their creation."""

        def call(source: Source, offsets: Mapping[int, int]) -> Call[Listed]:
            return read_calls.list_by_creation(
                self._keys, source, offsets, after=query.after, newest_first=query.newest_first, limit=query.limit
            )

        return await self._list(call, seen)

    async def not_ready_because(self) -> str | None:
        """Say why no question can be answered now, None if all can."""
        try:
            await self._load_source()
        except Unavailable as error:
            return str(error)
        return None

    async def _list(
        self, call_for: Callable[[Source, Mapping[int, int]], Call[Listed]], seen: ConsistencyToken | None
    ) -> UserPage:
        for _ in range(_ATTEMPTS):
            source = self._source or await self._load_source()
            call = call_for(source, {} if seen is None else seen.offsets)
            try:
                listed = call.result(await self._run(call))
            except OtherGeneration:
                self._source = None
                continue
            except NotReady:
                raise _incomplete() from None
            except read_calls.NotYetVisible:
                listed = None
            # Not before: another log may have become the live one since the source was remembered.
            if seen is not None:
                _check_token(seen, source)
            if listed is None:
                raise _too_old()
            return _page(listed, source.log_id)
        raise _unstable()

    async def _load_source(self) -> Source:
        value = await self._execute("GET", self._live)
        if value is None:
            raise _incomplete()
        pointer = LivePointer.decode(value)
        generation = self._keys.generation(pointer.generation)
        partitions = await self._count(generation.partition) if pointer.complete else 0
        if partitions == 0:
            raise _incomplete()
        self._source = Source(value, pointer.log_id, generation, partitions)
        return self._source

    async def _count(self, key: Callable[[int], str]) -> int:
        """Count the keys, numbered from 0 without gaps, that exist."""
        count = 0
        while True:
            values: list[bytes | None] = await self._execute(
                "MGET", *map(key, range(count, count + _PARTITIONS_AT_ONCE))
            )
            if None in values:
                return count + values.index(None)
            count += len(values)

    async def _execute(self, *command: str) -> Reply:
        try:
            return await self._redis.execute(*command)
        except _REDIS_DOWN as error:
            raise _down() from error

    async def _run(self, call: Call[Listed]) -> Reply:
        try:
            return await self._scripts[call.script.sha](call.keys, call.arguments)
        except _REDIS_DOWN as error:
            raise _down() from error


def _check_token(seen: ConsistencyToken, source: Source) -> None:
    if seen.log_id != source.log_id or max(seen.offsets) >= source.partitions:
        raise WrongToken("The consistency token was made for another log than the one served here.")


def _check_visible(seen: ConsistencyToken, progress: Sequence[bytes | None]) -> None:
    positions = (0 if value is None else int(value.partition(b" ")[0]) for value in progress)
    if not seen.reached_by(zip(seen.offsets, positions, strict=True)):
        raise _too_old()


def _found(record: bytes | None, log_id: str) -> FoundUser:
    if record is None:
        raise UserNotFound("No user has this id.")
    version, partition, offset, presence, document = split_record(record)
    if presence == _ACTIVE:
        return FoundUser(document, version, f"{log_id}.{partition}-{offset}")
    if presence == _NONE:
        raise UserNotFound("No user has this id.")
    raise UserGone("The user was deleted.")


def _page(listed: Listed, log_id: str) -> UserPage:
    documents = []
    for record in listed.records:
        if record is not None:
            _, _, _, presence, document = split_record(record)
            if presence == _ACTIVE:
                documents.append(document)
    offsets = {partition: position - 1 for partition, position in enumerate(listed.positions) if position > 0}
    return UserPage(documents, listed.last, str(ConsistencyToken(log_id, offsets)))


def _down() -> Unavailable:
    return Unavailable("Redis does not answer.")


def _incomplete() -> Unavailable:
    return Unavailable("The read models are being filled from the log.")


def _unstable() -> Unavailable:
    return Unavailable("The read models are changing over to another generation.")


def _too_old() -> NotYetVisible:
    return NotYetVisible("The read models have not reached the consistency token yet.")
