"""The read models as the projector sees them: the one module of this process that knows Redis."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from projector.requests_ahead import Later, RequestsAhead
from projector.settings import ProjectorSettings
from read_models import generation_calls, projector_calls
from read_models.calls import Call
from read_models.ids import shorten
from read_models.keys import Keys
from read_models.projector_calls import Applied, Batch, Declared, GuardState
from read_models.records import BesidePointer, LivePointer, PartitionProgress, UserRecord
from runtime.startup import StartupError

T = TypeVar("T")

_COPIED_IN_STEP = 250

__all__ = ["Checkpoint", "ReadModelStore", "RedisError"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What Redis held, in one moment, of a partition and of the users asked for."""

    progress: PartitionProgress | None
    records: dict[str, UserRecord]


class ReadModelStore:
    """The live generation of the read models, and the one that follows it."""

    def __init__(self, settings: ProjectorSettings) -> None:
        # A call that failed is never repeated by the client: the projector goes back to the checkpoint instead.
        self._redis = Redis.from_url(
            settings.redis_address, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        self._ahead = RequestsAhead(self._redis)
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

    def followed(self) -> BesidePointer | None:
        """Return the generation that is given each batch together with the live one, if there is one."""
        value: Any = self._redis.get(self.keys.beside)
        beside = None if value is None else BesidePointer.decode(value)
        return beside if beside is not None and beside.follows else None

    def progress(self, live: LivePointer | BesidePointer, partitions: Sequence[int]) -> dict[int, PartitionProgress]:
        """Read the progress of those partitions that have one."""
        generation = self.keys.generation(live.generation)
        values: list[Any] = self._redis.mget([generation.partition(p) for p in partitions]) if partitions else []
        return {
            partition: PartitionProgress.decode(value)
            for partition, value in zip(partitions, values, strict=True)
            if value is not None
        }

    def load(self, live: LivePointer | BesidePointer, users: Mapping[int, Sequence[str]]) -> dict[int, Checkpoint]:
        """Read the progress of partitions, each together with the records of some of its users."""
        return self.begin_load(live, users)()

    def begin_load(
        self, live: LivePointer | BesidePointer, users: Mapping[int, Sequence[str]]
    ) -> Later[dict[int, Checkpoint]]:
        """Ask for what `load` returns."""
        generation = self.keys.generation(live.generation)
        answers = self._ahead.send(
            [
                ("MGET", generation.partition(partition), *map(generation.user, user_ids))
                for partition, user_ids in users.items()
            ]
        )
        return lambda: {
            partition: _checkpoint(user_ids, answer)
            for (partition, user_ids), answer in zip(users.items(), _without_errors(answers()), strict=True)
        }

    def histories(self, live: LivePointer | BesidePointer, wanted: Mapping[str, int]) -> dict[str, list[bytes]]:
        """Read the histories of some users, each from an index on."""
        if not wanted:
            return {}
        generation = self.keys.generation(live.generation)
        pipeline = self._redis.pipeline(transaction=False)
        for user, start in wanted.items():
            pipeline.lrange(generation.history(user), start, -1)
        return dict(zip(wanted, pipeline.execute(), strict=True))

    def known_ids(self, live: LivePointer | BesidePointer, events: Iterable[tuple[str, str, int]]) -> set[str]:
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
        return self.begin_apply(live, batches)()

    def begin_apply(self, live: LivePointer, batches: Sequence[Batch]) -> Later[list[Applied]]:
        """Have done what `apply` does."""
        return self._begin_all([projector_calls.apply(self.keys, live, batch) for batch in batches])

    def apply_to_both(
        self, live: LivePointer, followed: BesidePointer, batches: Sequence[tuple[Batch, Batch]]
    ) -> list[Applied]:
        """Apply pairs of batches, of the live generation and of the one that follows it, each pair in one atomic step.

        Raises:
            OtherGeneration: these are not the generations any more.
        """
        return self.begin_apply_to_both(live, followed, batches)()

    def begin_apply_to_both(
        self, live: LivePointer, followed: BesidePointer, batches: Sequence[tuple[Batch, Batch]]
    ) -> Later[list[Applied]]:
        """Have done what `apply_to_both` does."""
        return self._begin_all(
            [
                projector_calls.apply(self.keys, live, batch, followed=followed, beside=beside)
                for batch, beside in batches
            ]
        )

    def catch_up(self, live: LivePointer, followed: BesidePointer, batch: Batch) -> Applied:
        """Apply to the generation that follows what only the live one has.

        Raises:
            OtherGeneration: it does not follow any more.
        """
        return self._run(generation_calls.fill(self.keys, live, followed, batch))

    def rebuild_progress(self, live: LivePointer, partitions: Sequence[int]) -> dict[int, float]:
        """Return how far a generation that a rebuild makes is, as a part of the live one; empty: there is none."""
        value: Any = self._redis.get(self.keys.beside)
        beside = None if value is None else BesidePointer.decode(value)
        if beside is None or beside.stage not in ("filling", "following"):
            return {}
        one, other = self.progress(live, partitions), self.progress(beside, partitions)
        return {p: other[p].position / max(one[p].position, 1) for p in partitions if p in one and p in other}

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

    def parked(self, live: LivePointer) -> int:
        """Count the users in quarantine."""
        return int(self._redis.hlen(self.keys.generation(live.generation).quarantine))

    def live(self) -> LivePointer | None:
        """Read the live pointer; None: Redis is empty."""
        value: Any = self._redis.get(self.keys.live)
        return None if value is None else LivePointer.decode(value)

    def erasing(self, live: LivePointer, partitions: Sequence[int]) -> list[int]:
        """Return the partitions that hold events of erased users."""
        generation = self.keys.generation(live.generation)
        pipeline = self._redis.pipeline(transaction=False)
        for partition in partitions:
            pipeline.exists(
                generation.doomed(partition), generation.buried(partition), generation.sparse_changes(partition)
            )
        return [p for p, found in zip(partitions, pipeline.execute(), strict=True) if found]

    def doomed(self, live: LivePointer, partition: int) -> dict[str, int]:
        """Read the events of erased users that still need a tombstone: offset by `shorten`ed id."""
        return self._offsets(self.keys.generation(live.generation).doomed(partition))

    def buried(self, live: LivePointer, partition: int) -> dict[str, int]:
        """Read the events that have their tombstone and wait for compaction: offset by `shorten`ed id."""
        return self._offsets(self.keys.generation(live.generation).buried(partition))

    def bury(self, live: LivePointer, partition: int, events: Mapping[str, int]) -> None:
        """Note that doomed events have their tombstones."""
        self._run(projector_calls.bury(self.keys, live, partition, events))

    def forget_buried(self, live: LivePointer, partition: int, events: Sequence[str]) -> None:
        """Note that buried events are gone."""
        self._redis.hdel(self.keys.generation(live.generation).buried(partition), *events)

    def rewrite_changes(self, live: LivePointer, partition: int) -> None:
        """Rewrite the partition's change feed if an erasure took something out of it, a short step at a time.

        Raises:
            OtherGeneration: the live pointer names another generation.
        """
        sparse: Any = self._redis.get(self.keys.generation(live.generation).sparse_changes(partition))
        after = None
        while sparse is not None:
            part = self._run(
                projector_calls.rewrite_changes(
                    self.keys, live, partition, erasure=sparse.decode(), after=after, count=_COPIED_IN_STEP
                )
            )
            if part.status != "more":
                return
            after = part.last

    def _offsets(self, key: str) -> dict[str, int]:
        found: Any = self._redis.hgetall(key)
        return {event.decode(): int(offset) for event, offset in found.items()}

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

    def _begin_all(self, calls: Sequence[Call[T]]) -> Later[list[T]]:
        """Have scripts run in one round trip; the calls are of one script."""
        commands = [("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.arguments) for call in calls]
        first = self._ahead.send(commands)

        def results() -> list[T]:
            answers = first()
            if any(isinstance(answer, NoScriptError) for answer in answers):
                self._redis.script_load(calls[0].script.source)
                # What was applied before the script was lost is refused now, and the projector goes on from there.
                answers = self._ahead.send(commands)()
            return [call.result(answer) for call, answer in zip(calls, _without_errors(answers), strict=True)]

        return results


def _checkpoint(user_ids: Sequence[str], answer: Sequence[bytes | None]) -> Checkpoint:
    progress, *values = answer
    records = {
        user: UserRecord.decode(value) for user, value in zip(user_ids, values, strict=True) if value is not None
    }
    return Checkpoint(PartitionProgress.decode(progress) if progress is not None else None, records)


def _without_errors(answers: Sequence[Any]) -> Sequence[Any]:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
