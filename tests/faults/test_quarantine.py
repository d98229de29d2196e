"""A release that cannot apply an event: its user waits, nobody else does, and operators let the user out."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from redis import Redis

from devstack.kafka_server import KafkaServer
from devstack.redis_server import RedisServer
from devstack.table import APPS, AppProcess
from tests.e2e.people import person
from tests.e2e.processes import TIMEOUT_SECONDS, eventually, metric
from tests.stack import Stack, running_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class BrokenProjector(AppProcess):
    """The projector, of a release that cannot apply a display name."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.faults.broken_projector"]


@pytest.fixture
def stack(kafka: KafkaServer, redis: RedisServer, tmp_path: Path) -> Iterator[Stack]:
    """Return processes, the projector among them of the broken release; `deploy` replaces it."""
    with running_stack(kafka.bootstrap, redis.url, tmp_path) as running:
        deploy(running, BrokenProjector)
        yield running


def deploy(stack: Stack, release: type[AppProcess]) -> None:
    """Replace the projector by one of another release."""
    stack.projector.stop()
    stack.projector = release(APPS[0], stack.directory / f"{release.__name__}.log", stack.environ)
    stack.processes[0] = stack.projector
    stack.projector.start()
    stack.projector.wait_ready()


@pytest.fixture
def clients(stack: Stack) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    with (
        httpx.Client(base_url=stack.command_url, timeout=TIMEOUT_SECONDS, trust_env=False) as command,
        httpx.Client(base_url=stack.query_url, timeout=TIMEOUT_SECONDS, trust_env=False) as query,
    ):
        yield command, query


def quarantine(stack: Stack, *arguments: str, status: int = 0) -> Any:
    """Run the operators' command; return what it prints as JSON."""
    run = subprocess.run(
        [sys.executable, "-m", "projector", "quarantine", *arguments, "--json"],
        env=stack.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == status, run.stderr
    return json.loads(run.stdout)


def register(command: httpx.Client, **fields: object) -> dict[str, Any]:
    answer = command.post("/users", json=person(**fields))
    assert answer.status_code == 201, answer.text
    user: dict[str, Any] = answer.json()
    return user


def poison(command: httpx.Client, user: dict[str, Any]) -> httpx.Response:
    """Change a user in the way that the broken release cannot apply; the write is accepted all the same."""
    answer = command.patch(f"/users/{user['id']}", json={"display_name": "Poison"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == user["version"] + 1
    return answer


def wipe(stack: Stack, redis: RedisServer, command: httpx.Client) -> None:
    """Take all from Redis, and wait until it is refilled and writes are let in."""
    with Redis.from_url(redis.url) as client:
        client.flushdb()
    eventually(lambda: command.post("/users", json=person()).status_code == 201, "writes are let in again after a wipe")
    stack.wait_ready()


def test_a_poison_event_parks_its_user_while_a_hundred_others_are_written(
    stack: Stack, clients: tuple[httpx.Client, httpx.Client]
) -> None:
    command, query = clients
    victim = register(command)
    others = [register(command) for _ in range(100)]

    written = poison(command, victim)

    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda user: command.patch(f"/users/{user['id']}", json={"display_name": "Fine"}), others)
        )
    assert [answer.status_code for answer in answers] == [200] * 100
    assert command.patch(f"/users/{victim['id']}", json={"display_name": "Joe"}).status_code == 503
    stale = query.get(f"/users/{victim['id']}")
    assert (stale.status_code, stale.json()) == (200, victim)
    assert stale.headers["latest-version"] == '"2"'
    seen = {"Consistency-Token": written.headers["consistency-token"]}
    assert query.get(f"/users/{victim['id']}", headers=seen).status_code == 503
    (listed,) = quarantine(stack, "list")
    assert (listed["user_id"], listed["waiting"], listed["stands_at"]) == (victim["id"], 1, 2)
    assert listed["reason"].startswith("user.updated: ZeroDivisionError in broken_projector.py")
    eventually(lambda: metric(stack.projector_url, "projector_parked_users") == 1, "the gauge tells")
    assert metric(stack.projector_url, "projector_quarantined_records_total", reason="unfit") == 1


def test_the_quarantine_survives_kills_and_the_loss_of_redis_until_a_fixed_release_replays_it(
    stack: Stack, clients: tuple[httpx.Client, httpx.Client], redis: RedisServer
) -> None:
    command, query = clients
    victim = register(command)
    poison(command, victim)
    before = quarantine(stack, "show", victim["id"])
    assert [event["schema"] for event in before["events"]] == ["user.updated/1"]

    stack.projector.kill()
    stack.projector.start()
    stack.projector.wait_ready()
    assert quarantine(stack, "show", victim["id"]) == before
    wipe(stack, redis, command)
    assert quarantine(stack, "show", victim["id"]) == before

    (still,) = quarantine(stack, "replay", victim["id"], status=1)
    assert (still["waiting"], still["reason"]) == (1, before["reason"])

    deploy(stack, AppProcess)
    assert quarantine(stack, "show", victim["id"]) == before
    assert quarantine(stack, "replay", "--all") == [{"user_id": victim["id"], "released": True}]
    found = query.get(f"/users/{victim['id']}")
    assert (found.json()["version"], found.json()["display_name"]) == (2, "Poison")
    assert "latest-version" not in found.headers
    assert quarantine(stack, "list") == []
    assert command.patch(f"/users/{victim['id']}", json={"display_name": "Joe"}).json()["version"] == 3


def test_what_was_discarded_stays_so_through_a_rebuild_by_a_release_that_could_apply_it(
    stack: Stack, clients: tuple[httpx.Client, httpx.Client], redis: RedisServer
) -> None:
    command, query = clients
    victim = register(command)
    poison(command, victim)
    (event,) = quarantine(stack, "show", victim["id"])["events"]

    assert quarantine(stack, "discard", victim["id"], event["id"])[0]["released"]
    changed = command.patch(f"/users/{victim['id']}", json={"attributes": {"a": 1}})
    assert changed.json() == victim | {"attributes": {"a": 1}, "version": 3, "updated_at": changed.json()["updated_at"]}
    deploy(stack, AppProcess)
    wipe(stack, redis, command)

    assert query.get(f"/users/{victim['id']}").json() == changed.json()
    assert quarantine(stack, "show", victim["id"], status=1) is None


def test_two_operators_at_once_and_a_strange_event(stack: Stack, clients: tuple[httpx.Client, httpx.Client]) -> None:
    command, _ = clients
    victim = register(command)
    poison(command, victim)
    (event,) = quarantine(stack, "show", victim["id"])["events"]
    strange = subprocess.run(
        [sys.executable, "-m", "projector", "quarantine", "discard", victim["id"], str(uuid.uuid4())],
        env=stack.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (strange.returncode, "nothing was discarded" in strange.stderr) == (2, True)

    def decide(word: str) -> int:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "projector",
                "quarantine",
                word,
                victim["id"],
                *([event["id"]] * (word == "discard")),
            ],
            env=stack.environ,
            capture_output=True,
            check=False,
        ).returncode

    with ThreadPoolExecutor(3) as pool:
        statuses = list(pool.map(decide, ["discard", "replay", "discard"]))

    # Who comes late finds nobody there.
    assert set(statuses) <= {0, 1, 2}
    assert 0 in statuses
    assert quarantine(stack, "list") == []
    assert command.patch(f"/users/{victim['id']}", json={"display_name": "Joe"}).json()["version"] == 3


def test_a_record_that_is_no_event_stands_under_one_key_in_the_quarantine_topic_however_often_it_is_read(
    stack: Stack, clients: tuple[httpx.Client, httpx.Client], redis: RedisServer, kafka: KafkaServer
) -> None:
    command, _ = clients
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    sent = producer.send(stack.events_topic, key=b"garbage", value=b"{broken", partition=1).get(10)
    producer.close()
    wipe(stack, redis, command)

    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    partition = TopicPartition(stack.quarantine_topic, 0)
    consumer.assign([partition])
    records: list[Any] = []

    def arrived() -> bool:
        for polled in consumer.poll(500).values():
            records.extend(polled)
        return bool(records)

    eventually(arrived, "the record is in the quarantine")
    consumer.close()
    assert {(record.key, record.value) for record in records} == {(f"1-{sent.offset}".encode(), b"{broken")}
    assert dict(records[0].headers)["reason"].startswith(b"not JSON")
