"""The read models as the relay sees them: the one module of this process that knows Redis. It only reads."""

from collections.abc import Iterable, Sequence
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from projector.relay_selection import LogEvent, Projected
from projector.settings import RelaySettings
from read_models.ids import shorten
from read_models.keys import GenerationKeys, Keys
from read_models.projector_calls import OtherLog
from read_models.records import LivePointer, PartitionProgress, UserRecord
from user_directory_events import UserEvent

__all__ = ["NotProjected", "RedisError", "RelayStore"]


class NotProjected(Exception):
    """The read models that were asked are no longer there: Redis was emptied, or another generation is live."""


class RelayStore:
    """The live generation of the read models of one log."""

    def __init__(self, settings: RelaySettings, log_id: str) -> None:
        self._redis = Redis.from_url(
            settings.redis_address, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        self._keys = Keys(settings.redis_key_prefix)
        self._log_id = log_id
        self._live: LivePointer | None = None

    def positions(self, partitions: Iterable[int]) -> dict[int, int]:
        """Return up to where the projector is in each partition; one that is not there has not been begun.

        Raises:
            OtherLog: Redis belongs to another log.
            RedisError: Redis does not answer.
        """
        self._live = self._pointer(self._redis.get(self._keys.live))
        if self._live is None:
            return {}
        asked = list(partitions)
        values: Any = self._redis.mget([self._generation(self._live).partition(p) for p in asked]) if asked else []
        return {
            p: PartitionProgress.decode(value).position
            for p, value in zip(asked, values, strict=True)
            if value is not None
        }

    def look(self, events: Sequence[LogEvent]) -> Projected:
        """Say which of these events were accepted, and what their users are like, all in one moment.

        Raises:
            NotProjected: not all of them are projected in the generation that `positions` saw.
            OtherLog: Redis belongs to another log.
            RedisError: Redis does not answer.
        """
        if self._live is None:
            raise NotProjected
        keys = self._generation(self._live)
        partitions = sorted({entry.partition for entry in events})
        users = list({entry.user_id: None for entry in events})
        # One transaction: between two calls Redis may be emptied, and an empty history would say that all were void.
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.get(self._keys.live)
        pipeline.mget([keys.partition(p) for p in partitions])
        pipeline.mget([keys.user(user) for user in users])
        asked = [(entry, entry.event) for entry in events if isinstance(entry.event, UserEvent)]
        for _, event in asked:
            history = keys.history(event.subject)
            # After an erasure the history begins with the erasing event, whatever its sequence.
            pipeline.lindex(history, event.sequence - 1)
            pipeline.lindex(history, 0)
        pointer, progress, records, *found = pipeline.execute()
        live = self._pointer(pointer)
        if live is None or live.identity != self._live.identity or not _passed(events, partitions, progress):
            raise NotProjected
        accepted = frozenset(
            (entry.partition, entry.offset)
            for (entry, event), pair in zip(asked, zip(found[::2], found[1::2], strict=True), strict=True)
            if any(_is_entry_of(value, event, entry.offset) for value in pair)
        )
        documents = {user: _document(record) for user, record in zip(users, records, strict=True)}
        return Projected(accepted, documents)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _pointer(self, value: Any) -> LivePointer | None:
        if value is None:
            return None
        live = LivePointer.decode(value)
        if live.log_id != self._log_id:
            raise OtherLog(live.log_id)
        return live

    def _generation(self, live: LivePointer) -> GenerationKeys:
        return self._keys.generation(live.generation)


def _passed(events: Sequence[LogEvent], partitions: Sequence[int], progress: Sequence[bytes | None]) -> bool:
    positions = {
        p: PartitionProgress.decode(value).position if value else 0
        for p, value in zip(partitions, progress, strict=True)
    }
    return all(entry.offset < positions[entry.partition] for entry in events)


def _is_entry_of(value: bytes | None, event: UserEvent, offset: int) -> bool:
    # With its offset: a later copy of an accepted event has the same id, and was ignored.
    return value is not None and value.startswith(f"{shorten(event.id)} {offset} ".encode())


def _document(record: bytes | None) -> bytes | None:
    return UserRecord.decode(record).document or None if record is not None else None
