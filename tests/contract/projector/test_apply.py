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
from tests.memory_read_models import MemoryReadModels
from tests.property.logs import Step, log_of, logs
from tests.small_projector import SmallProjector

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def redis(redis_url: str) -> Iterator["Redis"]:
    with Redis.from_url(redis_url) as client:
        yield client


def keys_of(redis: Any, prefix: str) -> dict[str, Any]:
    """Read all that Redis holds of one generation, in the form of `MemoryReadModels.snapshot`."""
    found: dict[str, Any] = {"strings": {}, "claims": {}, "histories": {}, "indexes": {}, "conflicts": set()}
    for name in list(redis.scan_iter(f"{prefix}:1:*", count=1000)):
        key = name.decode().removeprefix(prefix)
        match redis.type(name):
            case b"string":
                found["strings"][key] = redis.get(name)
            case b"hash":
                found["claims"][key] = {k.decode(): v.decode() for k, v in redis.hgetall(name).items()}
            case b"list":
                found["histories"][key] = redis.lrange(name, 0, -1)
            case b"zset":
                found["indexes"][key] = {member.decode() for member in redis.zrange(name, 0, -1)}
            case b"set":
                found["conflicts"] = {member.decode().removeprefix(prefix) for member in redis.smembers(name)}
    return found


def expected(models: MemoryReadModels) -> dict[str, Any]:
    """Return the snapshot with Redis's keys, without the prefix."""
    prefix = models.keys.prefix
    snapshot = models.snapshot()
    strings = {key.removeprefix(prefix): value for key, value in snapshot["strings"].items()}
    for partition, progress in snapshot["progress"].items():
        strings[models.keys.generation(1).partition(partition).removeprefix(prefix)] = progress.encode().encode()
    found = {
        name: {key.removeprefix(prefix): value for key, value in snapshot[name].items()}
        for name in ("claims", "histories", "indexes")
    }
    return {"strings": strings, **found, "conflicts": {key.removeprefix(prefix) for key in snapshot["conflicts"]}}


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
