"""The read models as the projector sees them: the one module of this process that knows Redis."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from projector.settings import ProjectorSettings
from read_models import projector_calls
from read_models.calls import Call
from read_models.ids import shorten
from read_models.keys import Keys
from read_models.projector_calls import Applied, Batch, Declared, GuardState
from read_models.records import LivePointer, PartitionProgress, UserRecord
from runtime.startup import StartupError

T = TypeVar("T")

__all__ = ["Checkpoint", "ReadModelStore", "RedisError"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What Redis held, in one moment, of a partition and of the users asked for."""

    progress: PartitionProgress | None
    records: dict[str, UserRecord]


class ReadModelStore:
    """The live generation of the read models."""

    def __init__(self, settings: ProjectorSettings) -> None:
        # A call that failed is never repeated by the client: the projector goes back to the checkpoint instead.
        self._redis = Redis.from_url(
            settings.redis_address, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        self.keys = Keys(settings.redis_key_prefix)

    def check(self) -> None:
        """Check that Redis will never evict what it holds.

        Raises:
            StartupError: it would.
            RedisError: it does not answer.
        """
        policy = self._redis.info("memory").get("maxmemory_policy")
        if policy != "noeviction":
            raise StartupError(f"Redis runs with maxmemory-policy {policy}: set it to noeviction")

    def begin(self, log_id: str, positions: Mapping[int, int]) -> LivePointer:
        """Read the live pointer; make generation 1 where Redis is empty.

        Raises:
            OtherLog: Redis belongs to another log.
        """
        return self._run(projector_calls.begin(self.keys, log_id, positions))

    def progress(self, live: LivePointer, partitions: Sequence[int]) -> dict[int, PartitionProgress]:
        """Read the progress of those partitions that have one."""
        generation = self.keys.generation(live.generation)
        values: list[Any] = self._redis.mget([generation.partition(p) for p in partitions]) if partitions else []
        return {
            partition: PartitionProgress.decode(value)
            for partition, value in zip(partitions, values, strict=True)
            if value is not None
        }

    def load(self, live: LivePointer, users: Mapping[int, Sequence[str]]) -> dict[int, Checkpoint]:
        """Read the progress of partitions, each together with the records of some of its users."""
        generation = self.keys.generation(live.generation)
        pipeline = self._redis.pipeline(transaction=False)
        for partition, user_ids in users.items():
            pipeline.mget([generation.partition(partition), *map(generation.user, user_ids)])
        checkpoints = {}
        for (partition, user_ids), (progress, *values) in zip(users.items(), pipeline.execute(), strict=True):
            checkpoints[partition] = Checkpoint(
                PartitionProgress.decode(progress) if progress is not None else None,
                {
                    user: UserRecord.decode(value)
                    for user, value in zip(user_ids, values, strict=True)
                    if value is not None
                },
            )
        return checkpoints

    def known_ids(self, live: LivePointer, events: Iterable[tuple[str, str, int]]) -> set[str]:
        """Return which of these events, as (id, user id, sequence), are in their user's history."""
        wanted = list(events)
        if not wanted:
            return set()
        generation = self.keys.generation(live.generation)
        pipeline = self._redis.pipeline(transaction=False)
        for _, user, sequence in wanted:
            # After an erasure the history begins with the erasing event, whatever its sequence.
            pipeline.lindex(generation.history(user), sequence - 1)
            pipeline.lindex(generation.history(user), 0)
        entries = iter(pipeline.execute())
        return {
            event_id
            for (event_id, _, _), *found in zip(wanted, entries, entries, strict=True)
            if any(entry is not None and entry.startswith(f"{shorten(event_id)} ".encode()) for entry in found)
        }

    def apply(self, live: LivePointer, batches: Sequence[Batch]) -> list[Applied]:
        """Apply batches, each in one atomic step, all in one round trip.

        Raises:
            OtherGeneration: the live pointer names another generation.
        """
        calls = [projector_calls.apply(self.keys, live, batch) for batch in batches]
        replies = self._evaluate_all(calls)
        if any(isinstance(reply, NoScriptError) for reply in replies):
            self._redis.script_load(calls[0].script.source)
            # A batch that was applied before the script was lost is refused now, and the projector goes on from there.
            replies = self._evaluate_all(calls)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return [call.result(reply) for call, reply in zip(calls, replies, strict=True)]

    def guard_state(self, opening: str | None) -> GuardState:
        """Say whether writes are let in."""
        return self._run(projector_calls.guard_state(self.keys, opening))

    def open_guard(self, epoch: str) -> None:
        """Let no writes in until this epoch is declared ready."""
        self._run(projector_calls.open_guard(self.keys, epoch))

    def declare_ready(self, live: LivePointer, epoch: str, offsets: Mapping[int, int]) -> Declared:
        """Let writes in, if the epoch's records are projected and the newest."""
        return self._run(projector_calls.declare_ready(self.keys, live, epoch, offsets))

    def overdue(self, partitions: Sequence[int]) -> list[int]:
        """Return the partitions that hold a reservation past its deadline."""
        if not partitions:
            return []
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.time()
        for partition in partitions:
            pipeline.zrange(self.keys.reservations(partition), 0, 0, withscores=True)
        (seconds, microseconds), *oldest = pipeline.execute()
        now = seconds * 1000 + microseconds // 1000
        return [p for p, found in zip(partitions, oldest, strict=True) if found and found[0][1] < now]

    def conflicts(self, live: LivePointer) -> int:
        """Count the unique values that more than one user claims."""
        return int(self._redis.scard(self.keys.generation(live.generation).conflicts))

    def ping(self) -> None:
        """Check that Redis answers."""
        self._redis.ping()

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _run(self, call: Call[T]) -> T:
        try:
            reply = self._redis.evalsha(call.script.sha, len(call.keys), *call.keys, *call.arguments)
        except NoScriptError:
            reply = self._redis.eval(call.script.source, len(call.keys), *call.keys, *call.arguments)
        return call.result(reply)

    def _evaluate_all(self, calls: Sequence[Call[Any]]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for call in calls:
            pipeline.evalsha(call.script.sha, len(call.keys), *call.keys, *call.arguments)
        return list(pipeline.execute(raise_on_error=False))
