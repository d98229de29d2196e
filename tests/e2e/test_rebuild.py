"""A rebuild, its rollback and the pruning, by the commands as shipped, while clients read and write."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.processes import another, eventually, metric
from tests.e2e.rebuilds import (
    STARTS_WITHIN_SECONDS,
    Clients,
    done,
    dump,
    import_users,
    pointer,
    redis_of,
    refused,
    run,
    start,
)
from tests.guarded import Access
from tests.stack import Stack, running_stack
from user_directory_events.consumer import Loaded, follow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def own(kafka_bootstrap: str, redis_url: str, access: Access, tmp_path: Path) -> Iterator[Stack]:
    """Return a stack whose generations no other test sees."""
    with running_stack(kafka_bootstrap, redis_url, tmp_path, access) as stack:
        yield stack


@pytest.fixture
def redis(own: Stack) -> Iterator[Any]:
    with redis_of(own) as client:
        yield client


def test_a_rebuild_a_rollback_and_a_pruning_under_load(own: Stack, redis: Any, tmp_path: Path) -> None:
    import_users(own, 2000)
    clients = Clients(own)
    with another(own, "projector", tmp_path), clients.at_work():
        said = run(own, "rebuild")
        assert "generation 2 is live" in said
        assert pointer(redis, own, "live").startswith("2 ")
        assert pointer(redis, own, "beside").endswith(" kept")
        assert "generation 1 is kept" in refused(own, "rebuild")

        assert "generation 1 is live again" in run(own, "rollback")
        assert pointer(redis, own, "live").startswith("1 ")
        run(own, "rollback")
        assert pointer(redis, own, "live").startswith("2 ")

        assert "generation 1 is deleted" in run(own, "prune")
        assert dump(redis, own, 1) == {}
        assert "no generation is kept" in refused(own, "rollback")
        assert "nothing to prune" in run(own, "prune")
        assert "generation 3 is live" in run(own, "rebuild")
    assert clients.faults == []
    assert clients.answers["POST 201"] > 50
    assert clients.answers["GET 200"] > 200

    eventually(lambda: same(redis, own, 3, 2), "both generations are alike")
    assert "generation 3: live" in run(own, "generations")
    eventually(lambda: told_to_others(own) == answered(own), "other systems are told what readers see")


def test_a_rebuild_that_is_killed_at_any_stage_is_gone_on_with(own: Stack, redis: Any) -> None:
    import_users(own, 3000)
    clients = Clients(own)
    with clients.at_work(writers=1, readers=1):
        killed = start(own, "rebuild", PROJECTOR_BATCH_RECORDS="1")
        eventually(lambda: filled(redis, own) > 100, "it fills", STARTS_WITHIN_SECONDS)
        # The projector tells once a second.
        killed.send_signal(signal.SIGSTOP)
        eventually(
            lambda: metric(own.projector_url, "projector_rebuild_progress_ratio") > 0,
            "its progress is told",
            STARTS_WITHIN_SECONDS,
        )
        killed.kill()
        killed.communicate()
        before = filled(redis, own)
        assert pointer(redis, own, "beside").endswith(" filling")

        again = start(own, "rebuild", PROJECTOR_BATCH_RECORDS="1")
        eventually(lambda: filled(redis, own) > before, "it goes on", STARTS_WITHIN_SECONDS)
        own.projector.pause()
        eventually(
            lambda: pointer(redis, own, "beside").endswith(" following"),
            "the projectors are to take over",
            STARTS_WITHIN_SECONDS,
        )
        again.kill()
        again.communicate()
        own.projector.resume()
        done(start(own, "rebuild"))
    # While the projector stood still, writes waited for it until their budget was spent; reads never did.
    waited = (": 202 ", ": 503 ")
    assert [fault for fault in clients.faults if fault.startswith("GET") or not any(w in fault for w in waited)] == []
    assert pointer(redis, own, "live").startswith("2 ")
    eventually(lambda: same(redis, own, 2, 1), "both generations are alike")


def test_of_two_rebuilds_the_second_is_refused(own: Stack, redis: Any) -> None:
    import_users(own, 50)
    own.projector.pause()
    try:
        first = start(own, "rebuild")
        eventually(lambda: pointer(redis, own, "beside") != "", "it has begun", STARTS_WITHIN_SECONDS)
        assert "another rebuild is at work" in refused(own, "rebuild")
        assert first.poll() is None
    finally:
        own.projector.resume()
    done(first)
    assert pointer(redis, own, "live").startswith("2 ")


def test_a_rebuild_told_to_stop_ends_at_once_and_leaves_the_live_generation(own: Stack, redis: Any) -> None:
    # Where the tests run in the background of a script it is ignored, and by all that they start as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # More than the projectors may take over at once.
    import_users(own, 4000)
    process = start(own, "rebuild", PROJECTOR_BATCH_RECORDS="1")
    eventually(lambda: filled(redis, own) > 10, "it fills", STARTS_WITHIN_SECONDS)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert pointer(redis, own, "live").startswith("1 ")
    # It gave its lease back.
    run(own, "prune")
    assert dump(redis, own, 2) == {}


def test_a_generation_that_differs_is_not_made_live(own: Stack, redis: Any) -> None:
    import_users(own, 20)
    name = next(iter(redis.scan_iter(f"{own.key_prefix}:1:u:*", count=1000)))
    redis.append(name, " ")

    line = refused(own, "rebuild")

    assert "1 of 20 users" in line
    assert "--accept-differences" in line
    assert pointer(redis, own, "live").startswith("1 ")
    run(own, "rebuild", "--accept-differences")
    assert pointer(redis, own, "live").startswith("2 ")
    assert not redis.get(name.replace(b":1:u:", b":2:u:")).endswith(b" ")


def filled(redis: Any, stack: Stack) -> int:
    """Return the sum of the positions of the generation that is being filled."""
    generation = pointer(redis, stack, "beside").partition(" ")[0]
    names = [f"{stack.key_prefix}:{generation}:partition:{p}" for p in range(int(stack.environ["KAFKA_PARTITIONS"]))]
    return sum(int(value.split()[0]) for value in redis.mget(names) if value)


def same(redis: Any, stack: Stack, one: int, other: int) -> bool:
    first, second = dump(redis, stack, one), dump(redis, stack, other)
    return first == second


def told_to_others(stack: Stack) -> dict[str, Any]:
    """Return the documents by user id as the topic of users has them."""
    with follow(
        stack.environ["KAFKA_BOOTSTRAP_SERVERS"], changes_topic=stack.changes_topic, users_topic=stack.users_topic
    ) as follower:
        loaded = [item for batch in follower.to_the_end() for item in batch if isinstance(item, Loaded)]
    newest = {item.user_id: item.user for item in loaded}
    return {user_id: json.loads(user.to_json()) for user_id, user in newest.items() if user is not None}


def answered(stack: Stack) -> dict[str, Any]:
    """Return the documents by user id as readers get them, all of them."""
    export = httpx.get(f"{stack.query_url}/users/export", timeout=60, trust_env=False).raise_for_status()
    users = [line for line in map(json.loads, export.text.splitlines()) if "id" in line]
    assert len(users) >= 2000
    return {user["id"]: user for user in users}
