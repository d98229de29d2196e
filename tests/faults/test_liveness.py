"""/healthz of the projector: a loop that hangs is noticed, one that waits for Kafka or Redis is left alone."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devstack.kafka_server import KafkaServer
from devstack.redis_server import RedisServer
from tests.e2e.people import person
from tests.e2e.processes import TIMEOUT_SECONDS, eventually
from tests.faults.test_quarantine import BrokenProjector, deploy
from tests.stack import Stack, running_stack

# A call to a Redis that does not answer takes 5 s, one to Kafka at most 10 s.
STUCK_AFTER = 12

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def stack(kafka: KafkaServer, redis: RedisServer, tmp_path: Path) -> Iterator[Stack]:
    settings = {"PROJECTOR_STUCK_AFTER_SECONDS": str(STUCK_AFTER)}
    with running_stack(kafka.bootstrap, redis.url, tmp_path, **settings) as running:
        yield running


def health(stack: Stack) -> httpx.Response:
    return httpx.get(f"{stack.projector_url}/healthz", trust_env=False, timeout=5)


def test_a_loop_that_hangs_in_one_event_is_noticed(stack: Stack) -> None:
    deploy(stack, BrokenProjector)
    assert health(stack).status_code == 200
    with httpx.Client(base_url=stack.command_url, timeout=TIMEOUT_SECONDS, trust_env=False) as command:
        user = command.post("/users", json=person()).json()
        assert command.patch(f"/users/{user['id']}", json={"display_name": "Tar pit"}).status_code == 202

    eventually(lambda: health(stack).status_code == 503, "the projector says that it has to be restarted")

    assert "the loop has not moved" in health(stack).json()["detail"]


@pytest.mark.parametrize("away", ["kafka", "redis", "both"])
def test_waiting_for_servers_that_hang_is_not_hanging(
    stack: Stack, kafka: KafkaServer, redis: RedisServer, away: str
) -> None:
    servers: list[KafkaServer | RedisServer] = []
    servers += [kafka] if away != "redis" else []
    servers += [redis] if away != "kafka" else []
    for server in servers:
        server.pause()

    until = time.monotonic() + 2 * STUCK_AFTER
    while time.monotonic() < until:
        assert health(stack).status_code == 200, health(stack).text
        time.sleep(0.5)

    for server in servers:
        server.resume()
    stack.projector.wait_ready()
