"""The servers that the fault tests lean on: real, killed, frozen, wiped, and on the same address again."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import redis
from kafka import KafkaAdminClient

from devstack import servers


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def _topics(bootstrap: str) -> set[str]:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        return set(admin.list_topics())
    finally:
        admin.close()


def _create_topic(bootstrap: str, name: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics({name: {"num_partitions": 1, "replication_factor": 1}})
    finally:
        admin.close()


def test_kafka_keeps_its_log_over_a_kill_and_loses_it_with_a_wipe() -> None:
    with servers.kafka() as kafka:
        _create_topic(kafka.bootstrap, "kept")

        kafka.kill()
        assert not kafka.ready()
        kafka.restart()
        assert "kept" in _topics(kafka.bootstrap)

        kafka.restart(wipe=True)
        assert "kept" not in _topics(kafka.bootstrap)


def test_a_frozen_kafka_does_not_answer_until_it_is_resumed() -> None:
    with servers.kafka() as kafka:
        kafka.pause()
        assert not kafka.ready()

        kafka.resume()
        kafka.wait_ready()


def test_redis_evicts_nothing_and_keeps_nothing() -> None:
    with servers.redis() as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
        assert client.info("memory")["maxmemory_policy"] == "noeviction"

        server.restart()

        assert client.get("key") is None


def test_a_persistent_redis_keeps_every_write_until_it_is_wiped() -> None:
    with servers.redis(persistent=True) as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")

        server.restart()
        assert client.get("key") == b"value"

        server.restart(wipe=True)
        assert client.get("key") is None


def test_redis_comes_back_older_from_a_snapshot() -> None:
    with servers.redis() as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "old")
        client.save()
        client.set("key", "new")

        server.restart()

        assert client.get("key") == b"old"


def test_a_replica_follows_and_takes_over() -> None:
    with (
        servers.redis() as primary,
        servers.redis(replica_of=primary) as replica,
        redis.Redis.from_url(primary.url) as writer,
        redis.Redis.from_url(replica.url) as reader,
    ):
        writer.set("key", "value")
        _until(lambda: reader.get("key") == b"value")

        primary.kill()
        reader.replicaof("NO", "ONE")

        assert reader.set("key", "newer")


def test_a_frozen_redis_does_not_answer_until_it_is_resumed() -> None:
    with servers.redis() as server:
        server.pause()
        assert not server.ready()

        server.resume()
        server.wait_ready()


def test_a_server_is_gone_when_its_block_ends() -> None:
    with servers.redis() as server:
        process = server.process

    assert process is not None
    assert process.returncode is not None


def test_on_linux_a_server_dies_with_the_test_run_that_started_it(tmp_path: Path) -> None:
    """A supervisor killed outright must leave no server behind; elsewhere the next run stops what is left."""
    starts_and_waits = (
        "import sys, time\n"
        "from devstack import servers\n"
        "with servers.redis() as server:\n"
        "    print(server.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", starts_and_waits], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()

    if sys.platform == "linux":
        _until(lambda: not _alive(pid))
    else:
        os.kill(pid, 9)


def _alive(pid: int) -> bool:
    # Whoever inherits the orphan may be slow to reap it.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_session_servers_answer(kafka_bootstrap: str, redis_url: str) -> None:
    assert _topics(kafka_bootstrap) is not None
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
