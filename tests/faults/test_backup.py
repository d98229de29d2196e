"""Kafka and Redis are destroyed, and a backup brings everybody back; a restore that breaks off is begun again."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaConsumer, TopicPartition

from devstack import servers
from tests.e2e.people import person
from tests.e2e.processes import TIMEOUT_SECONDS, eventually
from tests.e2e.rebuilds import done, import_users, refused, run, start
from tests.stack import Stack, running_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KEYS = {"KAFKA_PARTITIONS": "4", "STARTUP_WAIT_SECONDS": "30"}


def client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)


class Lives:
    """Users who had a life: each changed, some suspended, some deleted, some with an address that was another's."""

    def __init__(self, stack: Stack) -> None:
        self.keyed = {"Idempotency-Key": uuid.uuid4().hex}
        self.body = person(external_id=uuid.uuid4().hex)
        with client(stack.command_url) as command:
            self.first = command.post("/users", json=self.body, headers=self.keyed)
            assert self.first.status_code == 201
            self.ids = [self.first.json()["id"]]
            for number in range(12):
                user = command.post("/users", json=person(attributes={"n": 10**15 + number, "null": None})).json()
                path = f"/users/{user['id']}"
                self.ids.append(user["id"])
                assert command.patch(path, json={"display_name": f"Name {number}"}).status_code == 200
                if number % 4 == 1:
                    assert command.post(f"{path}/suspend").status_code == 200
                if number % 4 == 2:
                    assert command.delete(path).status_code == 204
                    # Another one takes the address over.
                    heir = command.post("/users", json=person(email=user["email"]))
                    assert heir.status_code == 201
                    self.ids.append(heir.json()["id"])
                if number % 4 == 3:
                    assert command.patch(path, json={"email": person()["email"]}).status_code == 200

    def told(self, url: str) -> dict[str, Any]:
        """Return all that the query API says about them, but for tokens."""
        found: dict[str, Any] = {}
        with client(url) as query:
            for user in self.ids:
                answer = query.get(f"/users/{user}")
                found[user] = (answer.status_code, answer.json() if answer.status_code == 200 else None)
                history = query.get(f"/users/{user}/history").json()["items"]
                found[f"{user} history"] = history
                for entry in history:
                    for past in ({"version": entry["version"]}, {"at": entry["recorded_at"]}):
                        answer = query.get(f"/users/{user}", params=past)
                        found[f"{user} {past}"] = (
                            answer.status_code,
                            answer.json() if answer.status_code == 200 else None,
                        )
            lines = query.get("/users/export").text.splitlines()
            found["everybody"] = sorted(json.loads(line)["id"] for line in lines)
            found["addresses"] = sorted(json.loads(line)["email"] for line in lines)
            found["count"] = query.get("/users/count").json()
        return found


def restore(
    environ: Mapping[str, str], *arguments: str, given: bytes | None = None
) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "projector", "restore", *arguments]
    return subprocess.run(command, env=environ, input=given, capture_output=True, timeout=240, check=False)


def test_everything_is_destroyed_and_everybody_comes_back(kafka_bootstrap: str, redis_url: str, tmp_path: Path) -> None:
    backup = tmp_path / "backup.ndjson.gz"
    (tmp_path / "before").mkdir()
    with running_stack(kafka_bootstrap, redis_url, tmp_path / "before", **KEYS) as stack:
        lives = Lives(stack)
        import_users(stack, 200)
        told = lives.told(stack.query_url)
        eventually(lambda: lives.told(stack.query_url)["everybody"] == told["everybody"], "all are there")
        run(stack, "backup", str(backup))
        assert "exists already" in refused(stack, "backup", str(backup))
        assert "needs an empty log" in refused(stack, "restore", str(backup))
        # What is written after it is not in it.
        with client(stack.command_url) as command:
            later = command.post("/users", json=person()).json()["id"]

    (tmp_path / "after").mkdir()
    with servers.kafka() as kafka, servers.redis() as redis:
        after = Stack(kafka.bootstrap, redis.url, tmp_path / "after", KEYS)
        ended = restore(after.environ, "-", given=backup.read_bytes())
        assert ended.returncode == 0, ended.stderr
        try:
            after.start()
            assert lives.told(after.query_url) == told
            with client(after.command_url) as command, client(after.query_url) as query:
                assert query.get(f"/users/{later}").status_code == 404
                again = command.post("/users", json=lives.body, headers=lives.keyed)
                assert (again.status_code, again.json()) == (201, lives.first.json())
                assert command.post("/users", json=person(email=lives.body["email"])).status_code == 409
                changed = command.patch(f"/users/{lives.ids[0]}", json={"display_name": "After"})
                assert (changed.status_code, changed.json()["version"]) == (200, 2)
                history = query.get(
                    f"/users/{lives.ids[0]}/history",
                    headers={"Consistency-Token": changed.headers["Consistency-Token"], "Prefer": "wait=5"},
                ).json()["items"]
                assert history[0] == told[f"{lives.ids[0]} history"][0]
                assert history[1]["recorded_at"] > history[0]["recorded_at"]
            assert "needs an empty log" in refused(after, "restore", str(backup))
            # Of a restored log there can be a backup, and the same of that.
            run(after, "backup", str(tmp_path / "again.ndjson"))
        finally:
            after.stop()


def test_a_restore_that_breaks_off_lets_nobody_in_and_is_begun_again(
    kafka_bootstrap: str, redis_url: str, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.ndjson"
    (tmp_path / "before").mkdir()
    with running_stack(kafka_bootstrap, redis_url, tmp_path / "before", **KEYS) as stack:
        import_users(stack, 3000)
        run(stack, "backup", str(backup))
    (tmp_path / "after").mkdir()
    # Into another number of partitions, too.
    after = Stack(kafka_bootstrap, redis_url, tmp_path / "after", KEYS | {"KAFKA_PARTITIONS": "3"})
    run(after, "topics")  # nothing but an identity: as good as empty

    process = start(after, "restore", str(backup))
    eventually(lambda: records(after) > 10, "it writes", 60)
    process.kill()
    process.communicate()

    # It may have been done before it was killed.
    if process.returncode != 0:
        assert "message.timestamp.type=CreateTime" in refused(after, "run")
        assert "--begin-again" in refused(after, "restore", str(backup))
        done(start(after, "restore", str(backup), "--begin-again"))
    try:
        after.start()
        with client(after.query_url) as query:
            eventually(lambda: query.get("/users/count").json().get("count") == 3000, "all are there", 60)
    finally:
        after.stop()


def test_nothing_is_written_of_a_damaged_backup(kafka_bootstrap: str, redis_url: str, tmp_path: Path) -> None:
    backup = tmp_path / "backup.ndjson"
    (tmp_path / "before").mkdir()
    with running_stack(kafka_bootstrap, redis_url, tmp_path / "before", **KEYS) as stack:
        import_users(stack, 20)
        run(stack, "backup", str(backup), "--to-end")
    backup.write_bytes(backup.read_bytes().replace(b"Person 7", b"Person 8"))
    after = Stack(kafka_bootstrap, redis_url, tmp_path, KEYS)

    assert "damaged" in refused(after, "restore", str(backup))

    assert records(after) == 0


def records(stack: Stack) -> int:
    """Count the records of a log."""
    consumer = KafkaConsumer(bootstrap_servers=stack.environ["KAFKA_BOOTSTRAP_SERVERS"])
    try:
        deadline = time.monotonic() + 5
        while stack.events_topic not in consumer.topics():
            if time.monotonic() > deadline:
                return 0
            time.sleep(0.1)
        parts = [TopicPartition(stack.events_topic, p) for p in consumer.partitions_for_topic(stack.events_topic) or ()]
        ends: dict[Any, int] = consumer.end_offsets(parts)
        return sum(ends.values())
    finally:
        consumer.close()
