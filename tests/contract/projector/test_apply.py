"""The read models in memory, which other tests trust, against the Lua script on a real Redis."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from projector.settings import ProjectorSettings
from projector.store import ReadModelStore
from read_models.feed import FeedEntry
from read_models.projector_calls import Batch, RewrittenPart, rewrite_changes
from read_models.records import LivePointer, PartitionProgress
from tests.memory_read_models import MemoryReadModels
from tests.property.logs import Step, log_of, logs
from tests.sample_events import user_id
from tests.small_projector import SmallProjector
from user_directory_events import new_event_id

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def redis(redis_url: str) -> Iterator["Redis"]:
    with Redis.from_url(redis_url) as client:
        yield client


def keys_of(redis: Any, prefix: str) -> dict[str, Any]:
    """Read all that Redis holds of one generation, in the form of `MemoryReadModels.snapshot`."""
    found: dict[str, Any] = {
        "strings": {},
        "histories": {},
        "indexes": {},
        "conflicts": set(),
        "feeds": {},
        "hashes": {},
    }
    for name in list(redis.scan_iter(f"{prefix}:1:*", count=1000)):
        key = name.removeprefix(prefix.encode())
        match redis.type(name):
            case b"string":
                found["strings"][key] = redis.get(name)
            case b"list":
                found["histories"][key] = redis.lrange(name, 0, -1)
            case b"zset":
                found["indexes"][key] = set(redis.zrange(name, 0, -1))
            case b"stream":
                found["feeds"][key] = {
                    int(entry_id.partition(b"-")[0]): fields[b"e"] for entry_id, fields in redis.xrange(name)
                }
            case b"hash":
                found["hashes"][key] = redis.hgetall(name)
            case b"set":
                found["conflicts"] = {member.decode() for member in redis.smembers(name)}
    return found


def expected(models: MemoryReadModels) -> dict[str, Any]:
    """Return the snapshot with Redis's keys, without the prefix."""
    prefix = models.keys.prefix.encode()

    def without_prefix(values: dict[str | bytes, Any]) -> dict[bytes, Any]:
        return {(k if isinstance(k, bytes) else k.encode()).removeprefix(prefix): v for k, v in values.items()}

    snapshot = models.snapshot()
    progress = {
        models.keys.generation(1).partition(p): one.encode().encode() for p, one in snapshot["progress"].items()
    }
    strings = without_prefix(snapshot["strings"] | progress)
    found = {name: without_prefix(snapshot[name]) for name in ("histories", "feeds", "indexes", "hashes")}
    return {"strings": strings, **found, "conflicts": snapshot["conflicts"]}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(logs, st.data())
def test_redis_holds_what_the_memory_holds(
    redis: "Redis", redis_url: str, written: Sequence[Step], data: st.DataObject
) -> None:
    # The logs of these tests are of a fixed day, so an idempotency key would expire at once in Redis.
    entries, _ = log_of([replace(step, idempotent=False) for step in written])
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    store = ReadModelStore(ProjectorSettings(redis_url=redis_url, redis_key_prefix=prefix))
    memory = MemoryReadModels()
    projectors = [SmallProjector(models) for models in (store, memory)]
    for projector in projectors:
        for record, timestamp in entries:
            projector.append(record, timestamp)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(entries)), max_size=4)))
    for cut in [*cuts, len(entries)]:
        on_redis, in_memory = [[(j.entry, j.verdict) for j in projector.project(up_to=cut)] for projector in projectors]
        assert on_redis == in_memory

    assert keys_of(redis, prefix) == expected(memory)
    store.close()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(logs)
def test_a_batch_that_redis_made_already_can_be_made_again(redis: Any, redis_url: str, written: Sequence[Step]) -> None:
    entries, _ = log_of([replace(step, idempotent=False) for step in written])
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    store = ReadModelStore(ProjectorSettings(redis_url=redis_url, redis_key_prefix=prefix))
    projector = SmallProjector(store)
    for record, timestamp in entries:
        projector.append(record, timestamp)
    live, progress = store.begin(projector.log_id, {0: 0}), store.keys.generation(1).partition(0)
    projector.project(up_to=len(entries) // 2)
    checkpoint = redis.get(progress)
    batch, _ = projector.batch()
    assert store.apply(live, [batch]) == ["applied"]
    once = keys_of(redis, prefix)

    redis.set(progress, checkpoint)
    assert store.apply(live, [batch]) == ["applied"]

    assert keys_of(redis, prefix) == once
    store.close()


def test_a_feed_keeps_its_newest_entries_and_says_where_it_begins(redis: Any, redis_url: str) -> None:
    prefix, most = f"test-{uuid.uuid4().hex[:12]}", 50
    store = ReadModelStore(ProjectorSettings(redis_url=redis_url, redis_key_prefix=prefix))
    keys = store.keys.generation(1)
    live = store.begin(new_event_id(), {0: 0})
    entry = FeedEntry("user.registered", user_id(), b"x" * 400).encode()
    begins, kept = set(), []
    for position in range(0, 1000, 20):
        # Of each second record it is not known what it was.
        pairs = [part for offset in range(position, position + 20, 2) for part in (offset, entry)]
        batch = Batch(0, position, PartitionProgress(position + 20, 0, None))
        batch.changes.append(("feed", (keys.changes(0), keys.changes_from(0), most, *pairs)))
        assert store.apply(live, [batch]) == ["applied"]
        kept = [int(entry_id.partition(b"-")[0]) for entry_id, _ in redis.xrange(keys.changes(0))]
        begin = redis.get(keys.changes_from(0))
        begins.add(begin)
        assert kept == list(range(0 if begin is None else int(begin), position + 20, 2))
        assert len(kept) >= min(most, (position + 20) // 2)

    # It is shortened by whole nodes of the stream, which are some dozen entries.
    assert len(kept) < most + 100
    assert None in begins
    assert len(begins) > 3
    store.close()


def test_a_feed_without_what_was_erased_is_written_anew(redis: Any, redis_url: str) -> None:
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    store = ReadModelStore(ProjectorSettings(redis_url=redis_url, redis_key_prefix=prefix))
    keys = store.keys.generation(1)
    live = store.begin(new_event_id(), {0: 0})
    for offset in range(1200):
        secret = b"SECRET" if offset == 700 else b"public"
        redis.xadd(keys.changes(0), {"e": b"%s %d." % (secret, offset)}, id=f"{offset}-1")
    redis.xdel(keys.changes(0), "700-1")
    before = redis.xrange(keys.changes(0))
    # Redis itself keeps it; the RDB file holds what a dump holds.
    assert b"SECRET" in redis.dump(keys.changes(0))
    store.rewrite_changes(live, 0)
    assert b"SECRET" in redis.dump(keys.changes(0)), "nothing says that there was an erasure"
    redis.set(keys.sparse_changes(0), 701)

    # Another erasure, of what is copied already, while the copy is made.
    part = rewrite_part(store, live, erasure="701", after=None)
    assert (part.status, part.last) == ("more", "249-1")
    redis.xdel(keys.changes(0), "100-1")
    redis.set(keys.sparse_changes(0), 702)
    assert rewrite_part(store, live, erasure="701", after="249-1").status == "again"
    assert redis.xrange(keys.changes(0)) == [entry for entry in before if entry[0] != b"100-1"]

    store.rewrite_changes(live, 0)

    assert redis.xrange(keys.changes(0)) == [entry for entry in before if entry[0] != b"100-1"]
    assert b"SECRET" not in redis.dump(keys.changes(0))
    assert b"public 100." not in redis.dump(keys.changes(0))
    assert redis.exists(keys.sparse_changes(0), keys.changes_copy(0)) == 0
    assert store.erasing(live, [0]) == []
    store.close()


def rewrite_part(store: ReadModelStore, live: LivePointer, *, erasure: str, after: str | None) -> RewrittenPart:
    call = rewrite_changes(store.keys, live, 0, erasure=erasure, after=after, count=250)
    return store._run(call)


def test_a_batch_that_does_not_start_at_the_checkpoint_changes_nothing(redis: "Redis", redis_url: str) -> None:
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    store = ReadModelStore(ProjectorSettings(redis_url=redis_url, redis_key_prefix=prefix))
    projector = SmallProjector(store)
    entries, _ = log_of([])
    for record, timestamp in entries:
        projector.append(record, timestamp)
    batch, _ = projector.batch()
    projector.project()
    before = keys_of(redis, prefix)

    assert store.apply(store.begin(projector.log_id, {0: 0}), [batch]) == ["refused"]

    assert keys_of(redis, prefix) == before
    store.close()
