"""kill -9 of each part while 64 writers write: afterwards nothing is lost, nothing doubled, and all are answered."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack.kafka_server import KafkaServer
from devstack.redis_server import RedisServer
from tests.e2e.demo_runs import demo_holds_through
from tests.e2e.log_reader import user_logs
from tests.stack import Stack

PEOPLE, AT = 1000, 300

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_the_projector(breakable: Stack) -> None:
    holds_through(lambda: breakable.restart(breakable.projector), breakable)


def test_a_worker_of_the_command_api(breakable: Stack) -> None:
    """The arbiter starts another."""

    def kill() -> None:
        pid = breakable.command_api.pid
        (worker,) = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        os.kill(worker, signal.SIGKILL)

    holds_through(kill, breakable)


def test_redis_which_keeps_its_data(breakable: Stack, redis: RedisServer) -> None:
    holds_through(redis.restart, breakable)


def test_redis_which_loses_its_data(breakable: Stack, redis: RedisServer) -> None:
    holds_through(lambda: redis.restart(wipe=True), breakable)


def test_kafka(breakable: Stack, kafka: KafkaServer) -> None:
    holds_through(kafka.restart, breakable)


def holds_through(kill: Callable[[], None], stack: Stack) -> None:
    """Run the demo through the kill, and find no event twice in the log, whatever the readers say."""
    demo_holds_through(kill, stack, people=PEOPLE, at=AT)
    users = [log for log in user_logs(stack).values() if log.accepted]
    assert len(users) == PEOPLE - PEOPLE // 10
    assert all(log.version == 1 for log in users)
