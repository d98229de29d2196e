"""A generation made beside the live one, on a real Redis: key by key the live one, whatever happens meanwhile."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from projector.comparison import Comparison, Differences
from projector.folding import Decoded, Folding
from projector.generation_store import GenerationStore
from projector.generations import prune_beside
from projector.projection import LogEntry
from projector.settings import ProjectorSettings
from read_models.calls import OtherGeneration
from read_models.generation_calls import Generations, LeaseLost, Unequal
from read_models.records import BesidePointer, PartitionProgress
from tests.property.logs import Step, log_of, logs
from tests.sample_events import epoch_opened, registered
from user_directory_events import LogRecord, new_event_id

pytestmark = pytest.mark.redis

PARTITIONS = 2
FOLDING = Folding(skew_ms=2000, feed_events=10_000)


@pytest.fixture(scope="module")
def redis(redis_url: str) -> Iterator["Redis"]:
    with Redis.from_url(redis_url) as client:
        yield client


@dataclass
class World:
    """A log of two partitions in lists, the projectors of both and a rebuild, one step at a time."""

    redis: Any
    store: GenerationStore
    log_id: str
    partitions: list[list[LogEntry]]

    @classmethod
    def make(cls, redis: Any, redis_url: str, logs_of_partitions: Sequence[Sequence[tuple[LogRecord, int]]]) -> "World":
        store = GenerationStore(
            ProjectorSettings(redis_url=redis_url, redis_key_prefix=f"test-{uuid.uuid4().hex[:12]}")
        )
        log_id = new_event_id()
        store.begin(log_id, dict.fromkeys(range(PARTITIONS), 0))
        partitions = [
            [LogEntry(offset, timestamp, record) for offset, (record, timestamp) in enumerate(entries)]
            for entries in logs_of_partitions
        ]
        world = cls(redis, store, log_id, partitions)
        world.redis.set(store.keys.live, f"1 {log_id} 1")
        return world

    @property
    def found(self) -> Generations:
        generations = self.store.generations()
        assert generations is not None
        return generations

    @property
    def beside(self) -> BesidePointer:
        assert self.found.beside is not None
        return self.found.beside

    def position(self, generation: Any, partition: int) -> int:
        return self.store.progress(generation, [partition])[partition].position

    def decoded(self, generation: Any, partition: int, count: int) -> Decoded:
        start = self.position(generation, partition)
        entries = self.partitions[partition][start : start + count]
        return Decoded(partition, start, start + len(entries), entries)

    def project(self, partition: int, count: int) -> None:
        """Do what the live projector does: close the gap first, if a generation follows, then apply to both."""
        live, followed = self.found.live, self.store.followed()
        if followed is not None:
            gap = self.position(live, partition) - self.position(followed, partition)
            if gap:
                batch, _ = FOLDING.fold(self.store, followed, [self.decoded(followed, partition, gap)])[partition]
                assert self.store.catch_up(live, followed, batch) == "applied"
        decoded = self.decoded(live, partition, count)
        batch, _ = FOLDING.fold(self.store, live, [decoded])[partition]
        if followed is None:
            assert self.store.apply(live, [batch]) == ["applied"]
        else:
            beside, _ = FOLDING.fold(self.store, followed, [decoded])[partition]
            assert self.store.apply_to_both(live, followed, [(batch, beside)]) == ["applied"]

    def project_all(self) -> None:
        for partition, entries in enumerate(self.partitions):
            self.project(partition, len(entries))

    def begin(self) -> BesidePointer:
        return self.store.begin_rebuild(self.found.live, dict.fromkeys(range(PARTITIONS), 0))

    def fill(self, partition: int, count: int) -> None:
        """Fill from the log, no further than the live generation is."""
        live, beside = self.found.live, self.beside
        gap = self.position(live, partition) - self.position(beside, partition)
        batch, _ = FOLDING.fold(self.store, beside, [self.decoded(beside, partition, min(count, gap))])[partition]
        assert self.store.fill(live, beside, batch) == "applied"

    def follow(self) -> None:
        self.store.move_beside(self.beside, replace(self.beside, stage="following"), leased=True)

    def dump(self, generation: int) -> dict[bytes, Any]:
        prefix = f"{self.store.keys.prefix}:{generation}:".encode()
        return {key.removeprefix(prefix): self._value(key) for key in self.redis.scan_iter(prefix + b"*", count=1000)}

    def compare(self) -> Differences:
        return Comparison(self.store, self.found, lambda _: None).run()

    def flip(self, *, accept_differences: bool = False) -> str:
        return self.store.flip(self.found, PARTITIONS, accept_differences=accept_differences)

    def _value(self, key: bytes) -> Any:
        match self.redis.type(key):
            case b"string":
                return self.redis.get(key)
            case b"list":
                return self.redis.lrange(key, 0, -1)
            case b"zset":
                return self.redis.zrange(key, 0, -1)
            case b"stream":
                return self.redis.xrange(key)
            case b"set":
                return self.redis.smembers(key)


# What the world does next: the partition, and how many records of it.
steps = st.lists(
    st.tuples(st.sampled_from(["project", "fill"]), st.integers(0, PARTITIONS - 1), st.integers(0, 12)), max_size=20
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(logs, logs, steps, steps)
def test_a_rebuilt_generation_is_the_live_one_key_by_key(
    redis: "Redis", redis_url: str, one: Sequence[Step], other: Sequence[Step], filling: Any, following: Any
) -> None:
    # The logs of these tests are of a fixed day, so an idempotency key would expire at once in Redis.
    # All events of a user are in one partition.
    entries = [
        log_of([replace(step, idempotent=False, user=step.user + 10 * partition) for step in written])[0]
        for partition, written in enumerate((one, other))
    ]
    world = World.make(redis, redis_url, entries)
    for kind, partition, count in filling:
        if kind == "project":
            world.project(partition, count)
    world.begin()
    for kind, partition, count in filling:
        world.project(partition, count) if kind == "project" else world.fill(partition, count)
    world.follow()
    for kind, partition, count in following:
        if kind == "project":
            world.project(partition, count)
    world.project_all()

    assert world.dump(2) == world.dump(1)
    differences = world.compare()
    assert not differences.different
    assert world.flip() == "flipped"
    assert (world.found.live.generation, world.beside) == (2, BesidePointer(1, world.log_id, "kept"))

    for partition in range(PARTITIONS):
        world.partitions[partition] += [LogEntry(len(entries[partition]), entries[0][0][1], epoch_opened(9))]
    world.project_all()
    assert world.dump(2) == world.dump(1)
    assert world.flip() == "flipped"
    assert (world.found.live.generation, world.beside.generation) == (1, 2)

    kept = world.dump(1)
    world.store.release()
    assert prune_beside(world.store, world.found) > 0
    assert (world.dump(2), world.dump(1)) == ({}, kept)
    assert world.found.beside is None
    world.store.close()


@pytest.fixture
def world(redis: "Redis", redis_url: str) -> Iterator[World]:
    people = [(registered(n, user=n, email=f"u{n}@example.org"), 1_795_509_000_124) for n in range(1, 9)]
    opened = (epoch_opened(), 1_795_509_000_123)
    made = World.make(redis, redis_url, [[opened, *people[:4]], [opened, *people[4:]]])
    yield made
    made.store.close()


def filled(world: World) -> World:
    world.project_all()
    world.begin()
    for partition in range(PARTITIONS):
        world.fill(partition, 100)
    world.follow()
    return world


def test_who_does_not_know_that_a_generation_follows_is_refused(world: World) -> None:
    filled(world)
    live = world.found.live
    world.partitions[0].append(LogEntry(5, 1_795_509_000_125, epoch_opened(7)))
    batch, _ = FOLDING.fold(world.store, live, [world.decoded(live, 0, 1)])[0]

    with pytest.raises(OtherGeneration):
        world.store.apply(live, [batch])

    assert world.position(live, 0) == 5
    world.project(0, 1)
    assert (world.position(live, 0), world.position(world.beside, 0)) == (6, 6)


def test_who_believes_that_a_pruned_generation_follows_is_refused(world: World) -> None:
    filled(world)
    live, followed = world.found.live, world.beside
    world.partitions[0].append(LogEntry(5, 1_795_509_000_125, epoch_opened(7)))
    decoded = world.decoded(live, 0, 1)
    pair = tuple(FOLDING.fold(world.store, generation, [decoded])[0][0] for generation in (live, followed))
    world.store.release()
    prune_beside(world.store, world.found)

    with pytest.raises(OtherGeneration):
        world.store.apply_to_both(live, followed, [pair])  # type: ignore[list-item]

    assert world.dump(2) == {}


def test_a_batch_for_both_is_refused_where_only_one_starts_at_its_checkpoint(world: World) -> None:
    filled(world)
    live, followed = world.found.live, world.beside
    world.partitions[0].append(LogEntry(5, 1_795_509_000_125, epoch_opened(7)))
    decoded = world.decoded(live, 0, 1)
    batch, beside = (FOLDING.fold(world.store, generation, [decoded])[0][0] for generation in (live, followed))
    world.redis.set(world.store.keys.generation(2).partition(0), PartitionProgress(3, 0, None).encode())
    before = world.dump(1)

    assert world.store.apply_to_both(live, followed, [(batch, beside)]) == ["refused"]

    assert world.dump(1) == before


def test_a_generation_beside_never_gets_ahead_of_the_live_one(world: World) -> None:
    world.begin()
    batch, _ = FOLDING.fold(world.store, world.beside, [world.decoded(world.beside, 0, 3)])[0]

    assert world.store.fill(world.found.live, world.beside, batch) == "refused"

    world.project(0, 3)
    assert world.store.fill(world.found.live, world.beside, batch) == "applied"


def test_of_two_rebuilds_one_has_the_lease(world: World, redis_url: str) -> None:
    world.project_all()
    world.begin()
    second = GenerationStore(ProjectorSettings(redis_url=redis_url, redis_key_prefix=world.store.keys.prefix))

    with pytest.raises(LeaseLost):
        second.begin_rebuild(world.found.live, {0: 0, 1: 0})
    with pytest.raises(LeaseLost):
        prune_beside(second, world.found)

    # The first one stands still, and is taken for dead.
    world.redis.delete(world.store.keys.rebuilding)
    assert second.begin_rebuild(world.found.live, {0: 0, 1: 0}) == world.beside
    batch, _ = FOLDING.fold(second, world.beside, [world.decoded(world.beside, 0, 3)])[0]
    with pytest.raises(LeaseLost):
        world.store.fill(world.found.live, world.beside, batch)
    with pytest.raises(LeaseLost):
        world.store.hold()
    assert second.fill(world.found.live, world.beside, batch) == "applied"
    second.close()


def test_a_rebuild_that_goes_on_keeps_what_was_filled(world: World) -> None:
    world.project_all()
    world.begin()
    world.fill(0, 3)
    world.store.release()

    world.begin()

    assert (world.position(world.beside, 0), world.position(world.beside, 1)) == (3, 0)


def test_nothing_is_flipped_while_the_generations_are_apart(world: World) -> None:
    world.project_all()
    world.begin()
    world.fill(0, 100)
    world.follow()

    assert world.flip() == "apart"

    world.project_all()
    assert world.flip() == "flipped"


def test_the_watermark_never_goes_back_by_a_flip(world: World) -> None:
    filled(world)
    generation = world.store.keys.generation(2)
    progress = PartitionProgress.decode(world.redis.get(generation.partition(0)))
    world.redis.set(generation.partition(0), replace(progress, watermark=progress.watermark - 5).encode())

    assert world.flip() == "flipped"

    assert PartitionProgress.decode(world.redis.get(generation.partition(0))) == progress


@pytest.mark.parametrize("missing_in", [1, 2])
def test_a_member_more_in_an_index_keeps_the_generations_from_being_flipped(world: World, missing_in: int) -> None:
    filled(world)
    words = world.store.keys.generation(missing_in).words
    world.redis.zrem(words, world.redis.zrange(words, 0, 0)[0])

    assert world.compare().different == {"indexes": 1}
    with pytest.raises(Unequal):
        world.flip()
    assert world.flip(accept_differences=True) == "flipped"


@pytest.mark.parametrize("generation", [1, 2])
def test_every_kind_of_difference_is_found(world: World, generation: int) -> None:
    filled(world)
    prefix = f"{world.store.keys.prefix}:{generation}:".encode()
    found = {kind: next(world.redis.scan_iter(prefix + kind + b":*", count=1000)) for kind in (b"u", b"h", b"changes")}
    world.redis.append(found[b"u"], "x")
    world.redis.rpush(found[b"h"], "x")
    world.redis.xtrim(found[b"changes"], 0)
    world.redis.xadd(found[b"changes"], {"e": "x"}, id="90-1")
    world.redis.set(prefix + b"idempotency::k", "x")
    world.redis.sadd(prefix + b"conflicts", "x")
    index = world.store.keys.generation(generation).sorted_by("name")
    world.redis.zadd(index, {"zzz": 0})

    different = world.compare().different

    assert different == {
        "users": 1,
        "histories": 1,
        "change feeds": 1,
        "outcomes of idempotency keys": 1,
        "sets of values claimed twice": 1,
        "indexes": 1,
    }


def test_a_user_whom_only_one_generation_has_is_found(world: World) -> None:
    filled(world)
    name = next(world.redis.scan_iter(f"{world.store.keys.prefix}:1:u:*", count=1000))
    world.redis.delete(name)
    assert world.compare().different == {"users": 1}


def test_a_difference_deep_in_a_long_history_is_found(world: World) -> None:
    filled(world)
    for number in (1, 2):
        name = f"{world.store.keys.prefix}:{number}:h:long"
        world.redis.rpush(name, *map(str, range(1700)))
    assert not world.compare().different
    world.redis.lset(f"{world.store.keys.prefix}:2:h:long", 1650, "x")
    assert world.compare().different == {"histories": 1}
