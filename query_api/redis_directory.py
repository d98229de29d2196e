"""The directory in Redis."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from query_api.directory import (
    Filters,
    FoundUser,
    HistoryPart,
    InQuarantine,
    ListQuery,
    LookedUp,
    Missing,
    Unavailable,
    UserCount,
    UserGone,
    UserNotFound,
    UserPage,
)
from query_api.redis_lists import RedisLists
from query_api.redis_reader import ATTEMPTS, Command, RedisReader, check_token, check_visible, token_of, unstable
from read_models import user_calls
from read_models.calls import Key
from read_models.consistency import ConsistencyToken
from read_models.keys import GenerationKeys, Keys
from read_models.read_calls import Source
from read_models.records import UserRecord, split_record
from runtime.direct_answers import Question
from runtime.redis_connection import RedisConnection

_ACTIVE: Final = "A"
_NONE: Final = "N"


class RedisDirectory:
    """Answer questions from the live generation, see `Directory`."""

    def __init__(self, redis: RedisConnection, key_prefix: str) -> None:
        keys = Keys(key_prefix)
        self._live = keys.live
        self._reader = RedisReader(redis, keys)
        self._lists = RedisLists(self._reader)

    async def user(self, user_id: str, seen: ConsistencyToken | None) -> FoundUser:
        """Find a user by id."""
        reader = self._reader
        for _ in range(ATTEMPTS):
            source = reader.source or await reader.load_source()
            names: list[Key] = [self._live, source.generation.user(user_id)]
            if seen is not None:
                names += map(source.generation.partition, seen.offsets)
            # As atomic as a script, and cheaper.
            pointer, record, *progress = await reader.execute("MGET", *names)
            if pointer == source.pointer:
                if seen is not None:
                    check_token(seen, source)
                    check_visible(seen, progress)
                return _found(record, source.log_id, seen)
            reader.source = None
        raise unstable()

    def ask_for_user(self, user_id: str) -> Question | None:
        """Ask for a user by id if that can be done without waiting; for `user_in`."""
        source = self._reader.source
        if source is None:
            return None
        reply = self._reader.send_at_once("MGET", self._live, source.generation.user(user_id))
        return None if reply is None else Question(reply, source)

    def user_in(self, question: Question) -> FoundUser | None:
        """Return the user whom `ask_for_user` found; None: `user` has to look closer."""
        source: Source = question.asked_of
        pointer, record = question.reply.result()
        if pointer != source.pointer or record is None:
            return None
        version, partition, offset, presence, document = split_record(record)
        if presence != _ACTIVE:
            return None
        return FoundUser(document, version, f"{source.log_id}.{partition}-{offset}")

    async def list_users(self, query: ListQuery, seen: ConsistencyToken | None) -> UserPage:
        """List users."""
        return await self._lists.page(query, seen)

    async def count_users(self, filters: Filters, seen: ConsistencyToken | None) -> UserCount:
        """Count users."""
        return await self._lists.count(filters, seen)

    async def lookup(
        self, ids: Sequence[str], comparable_emails: Sequence[str], seen: ConsistencyToken | None
    ) -> LookedUp:
        """Find many users."""
        call = partial(user_calls.lookup, ids=ids, emails=comparable_emails)
        found, log_id = await self._reader.ask(call, seen)
        return LookedUp([_looked_up(record) for record in found.records], token_of(log_id, found.positions))

    async def history(self, user_id: str, start: int, stop: int | None, seen: ConsistencyToken | None) -> HistoryPart:
        """Read entries of a user's history."""

        def commands(generation: GenerationKeys) -> list[Command]:
            key = generation.history(user_id)
            last = -1 if stop is None else stop - 1
            return [("LLEN", key), ("LINDEX", key, 0), ("LRANGE", key, start, last)]

        (length, first, entries), positions, log_id = await self._reader.read(commands, seen)
        if first is None:
            raise _not_found()
        return HistoryPart(entries, length, first, token_of(log_id, positions))

    async def count_recorded(self, user_id: str, at_ms: int, seen: ConsistencyToken | None) -> int:
        """Count the entries that the broker had stamped by a time."""
        call = partial(user_calls.count_recorded, user_id=user_id, at_ms=at_ms)
        counted, _ = await self._reader.ask(call, seen)
        if counted.length == 0:
            raise _not_found()
        return counted.count

    async def not_ready_because(self) -> str | None:
        """Say why no question can be answered now, None if all can."""
        try:
            await self._reader.load_source()
        except Unavailable as error:
            return str(error)
        return None


def _found(record: bytes | None, log_id: str, seen: ConsistencyToken | None) -> FoundUser:
    if record is None:
        raise _not_found()
    version, partition, offset, presence, document = split_record(record)
    if presence == _ACTIVE:
        return FoundUser(document, version, f"{log_id}.{partition}-{offset}")
    if presence.islower():
        return _before_the_quarantine(UserRecord.decode(record), log_id, seen)
    if presence == _NONE:
        raise _not_found()
    raise UserGone("The user was deleted.")


def _before_the_quarantine(record: UserRecord, log_id: str, seen: ConsistencyToken | None) -> FoundUser:
    """Give the last document that could be made, where it is as new as was asked for."""
    shown = record.shown
    assert shown is not None  # noqa: S101 - that is what the small letter says
    assert shown.waits_from is not None  # noqa: S101 - likewise
    too_new = seen is not None and seen.offsets.get(record.partition, -1) >= shown.waits_from
    if record.presence != "active" or too_new:
        raise InQuarantine("Events of this user wait for a repair; what they changed cannot be shown yet.")
    token = f"{log_id}.{record.partition}-{shown.offset}"
    return FoundUser(record.document, str(shown.version), token, str(record.version))


def _looked_up(record: bytes | None) -> bytes | Missing:
    if record is None:
        return "unknown"
    _, _, _, presence, document = split_record(record)
    if presence in (_ACTIVE, _ACTIVE.lower()):
        return document
    if presence.islower():
        return "in-quarantine"
    return "unknown" if presence == _NONE else "deleted"


def _not_found() -> UserNotFound:
    return UserNotFound("No user has this id.")
