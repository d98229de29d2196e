"""What other systems read stays whole when relay, projector and Redis are lost: see `relay_kills`."""

import threading
from pathlib import Path

import pytest

from devstack import servers
from devstack.kafka_server import KafkaServer
from tests.e2e.processes import another, eventually, metric
from tests.faults.relay_kills import Writers, check, disturb
from tests.stack import Stack, running_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_kills_and_a_loss_of_redis_double_nothing_and_lose_nothing(kafka: KafkaServer, tmp_path: Path) -> None:
    with servers.redis() as redis, running_stack(kafka.bootstrap, redis.url, tmp_path) as stack:
        disturb(stack, redis, writes=600, kills=3, seconds=6)
        check(stack)


def test_a_relay_that_was_frozen_while_another_took_over_tells_nothing_twice(breakable: Stack, tmp_path: Path) -> None:
    writers = Writers()
    writing = threading.Thread(target=writers.write_for, args=(breakable.command_url, 4))
    writing.start()
    eventually(lambda: metric(breakable.relay_url, "relay_events_total", outcome="relayed") > 100, "it relays")
    breakable.relay.pause()
    with another(breakable, "relay", tmp_path) as second:
        eventually(lambda: metric(second.url, "relay_events_total", outcome="relayed") > 0, "another takes over")
        breakable.relay.resume()
        writing.join()
        check(breakable)
