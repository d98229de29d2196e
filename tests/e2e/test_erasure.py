"""An erasure from the request to the bytes on the disks, with the processes as shipped on servers of their own."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from redis import Redis

from devstack.kafka_server import KafkaServer
from devstack.redis_server import RedisServer
from tests.e2e.people import person
from tests.e2e.processes import TIMEOUT_SECONDS, eventually
from tests.guarded import Access
from tests.stack import Stack, running_stack

USERS, LOADERS = 1000, 8
_PERSONAL = {
    "email": "Quirin.Zaunkönig@zaunkoenig.example",
    "name": {"given": "Quirin", "family": "Zaunkönig"},
    "display_name": "The Wren of Old",
    "external_id": "wren-4711",
    "attributes": {"shoe": "size forty-seven and a half"},
}
_LATER = [
    {"email": "troglodytes@zaunkoenig.example"},
    {"display_name": "Kleinwüchsiger Sänger"},
    {"attributes": {"shoe": None, "nest": "under the eaves of the barn"}},
]
VALUES = [
    "Quirin.Zaunkönig@zaunkoenig.example",
    "Zaunkönig",
    "The Wren of Old",
    "wren-4711",
    "size forty-seven",
    "troglodytes@",
    "Kleinwüchsiger",
    "under the eaves",
]
# What of the values survives in indexes and logs in other spellings: folded, escaped, without accents.
SPELLINGS = {
    spelling.encode()
    for value in VALUES
    for spelling in (value, value.lower(), json.dumps(value)[1:-1], value.lower().replace("ö", "o").replace("ü", "u"))
}


@pytest.fixture(scope="module")
def places(
    make_access: Callable[[Path], Access], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[KafkaServer, RedisServer, Stack]]:
    directory = tmp_path_factory.mktemp("erasure")
    access = make_access(directory)
    persistent = {"appendonly": "yes", "appendfsync": "everysec"}
    hasty = {
        "log.segment.delete.delay.ms": "1000",
        "log.cleaner.backoff.ms": "200",
        "log.retention.check.interval.ms": "500",
    }
    with (
        access.kafka(directory / "kafka", overrides=hasty) as kafka,
        access.redis(directory / "redis", options=persistent) as redis,
        running_stack(kafka.bootstrap, redis.url, directory, access, ERASURE_TICK_SECONDS="0.5") as stack,
    ):
        _compact_at_once(kafka, stack)
        yield kafka, redis, stack


def _compact_at_once(kafka: KafkaServer, stack: Stack) -> None:
    rolling = {"segment.ms": "2000", "file.delete.delay.ms": "500"}
    compacted = rolling | {"max.compaction.lag.ms": "2000", "min.compaction.lag.ms": "0", "delete.retention.ms": "1000"}
    topics = {
        stack.events_topic: compacted,
        stack.environ["USERS_TOPIC"]: compacted,
        stack.environ["CHANGES_TOPIC"]: rolling | {"retention.ms": "4000"},
    }
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs) for topic, configs in topics.items()]
        )
    finally:
        admin.close()


def _register_everybody(stack: Stack) -> list[dict[str, Any]]:
    rows = b"".join(json.dumps(person(display_name=f"Number {number}")).encode() + b"\n" for number in range(USERS - 1))
    answer = httpx.post(
        f"{stack.command_url}/users/import",
        content=rows,
        headers={"Content-Type": "application/x-ndjson"},
        timeout=60,
        trust_env=False,
    )
    results = [json.loads(line) for line in answer.text.splitlines()]
    assert {result["status"] for result in results} == {201}
    return results


def _export(stack: Stack) -> dict[str, Any]:
    answer = httpx.get(f"{stack.query_url}/users/export", timeout=60, trust_env=False).raise_for_status()
    users = [json.loads(line) for line in answer.text.splitlines()]
    return {user["id"]: user for user in users if "id" in user}


def _files_with_traces(directory: Path) -> list[str]:
    return [
        f"{path}: {spelling!r}"
        for path in directory.rglob("*")
        for content in _content(path)
        for spelling in SPELLINGS
        if spelling in content
    ]


def _content(path: Path) -> list[bytes]:
    # Kafka and Redis delete files while they are looked at.
    with suppress(FileNotFoundError, IsADirectoryError):
        return [path.read_bytes()]
    return []


def _load(stack: Stack, done: threading.Event) -> list[int]:
    """Register users until it is done; return the statuses."""
    statuses = []
    with httpx.Client(base_url=stack.command_url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        while not done.is_set():
            statuses.append(client.post("/users", json=person()).status_code)
    return statuses


def _verify(stack: Stack, user_id: str, values: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "projector", "verify-erasure", user_id, "--values", "-"],
        input=values,
        env=stack.environ_of("auditor") | {"LOG_LEVEL": "warning"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.timeout(300)
def test_nothing_is_left_of_an_erased_person_and_all_others_stay(
    places: tuple[KafkaServer, RedisServer, Stack],
) -> None:
    kafka, redis, stack = places
    _register_everybody(stack)
    with httpx.Client(base_url=stack.command_url, timeout=TIMEOUT_SECONDS, trust_env=False) as command:
        user = command.post("/users", json=_PERSONAL, headers={"Idempotency-Key": "key-1"}).json()
        path = f"/users/{user['id']}"
        for change in _LATER:
            assert command.patch(path, json=change).status_code == 200
        before = _export(stack)
        assert len(before) == USERS
        # The test looks in the right places.
        assert _files_with_traces(kafka.directory)
        found = _verify(stack, user["id"], "\n".join(VALUES))
        assert found.returncode == 1, found
        assert "offset" in found.stdout
        assert "redis: " in found.stdout

        # The processes end with the thread that starts them, so the load has the others.
        done = threading.Event()
        with ThreadPoolExecutor(LOADERS) as pool:
            load = [pool.submit(_load, stack, done) for _ in range(LOADERS)]
            try:
                erased = command.post(f"{path}/erase")
                assert erased.status_code == 204, erased.text
                _kill_projector_and_wait(kafka, redis, stack)
            finally:
                done.set()
        statuses = [status for part in load for status in part.result()]
        assert set(statuses) <= {201, 202}
        assert statuses.count(201) > 10

        assert httpx.get(f"{stack.query_url}{path}", trust_env=False).status_code == 410
        again = command.post("/users", json=_PERSONAL, headers={"Idempotency-Key": "key-1"})
        assert again.status_code == 410, again.text

    with Redis.from_url(redis.url) as client:
        client.bgrewriteaof()
        eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, "the file is rewritten")
        eventually(lambda: not _files_with_traces(redis.directory), "Redis's files hold nothing")
    assert _files_with_traces(stack.directory) == []
    verified = _verify(stack, user["id"], "\n".join(VALUES))
    assert (verified.returncode, verified.stdout) == (0, "nothing is left\n"), verified
    after = _export(stack)
    assert {key: after.get(key) for key in before if key != user["id"]} == {
        key: value for key, value in before.items() if key != user["id"]
    }

    # A replay of the compacted log comes to the same.
    with Redis.from_url(redis.url) as client:
        client.flushall()
    eventually(lambda: _ready(stack), "the read models are back", 60)
    assert _export(stack) == after
    assert httpx.get(f"{stack.query_url}{path}", trust_env=False).status_code == 410
    history = httpx.get(f"{stack.query_url}{path}/history", trust_env=False).json()
    assert [event["type"] for event in history["items"]] == ["user.erased"]


def _kill_projector_and_wait(kafka: KafkaServer, redis: RedisServer, stack: Stack) -> None:
    """Kill the projector that has just begun; its successor goes on until the log is compacted."""
    stack.restart(stack.projector)
    with Redis.from_url(redis.url) as client:
        eventually(lambda: not _in_hand(client), "every event is out of the log", 90)
    # Kafka deletes the file of a segment a moment after it was replaced.
    eventually(lambda: not _files_with_traces(kafka.directory), "Kafka's files hold nothing")


def _in_hand(client: Redis) -> list[bytes]:
    return [*client.scan_iter("*:doomed:*", count=1000), *client.scan_iter("*:buried:*", count=1000)]


def _ready(stack: Stack) -> bool:
    answer = httpx.get(f"{stack.query_url}/readyz", trust_env=False)
    return answer.status_code == 200
