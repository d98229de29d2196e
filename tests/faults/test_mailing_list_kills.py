"""A consumer equals the directory, whoever is killed: see `mailing_list_kills`."""

from pathlib import Path

import pytest

from devstack import servers
from devstack.kafka_server import KafkaServer
from tests.faults.mailing_list_kills import run
from tests.stack import running_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_the_example_under_kills_ends_equal_to_the_directory(kafka: KafkaServer, tmp_path: Path) -> None:
    with servers.redis() as redis, running_stack(kafka.bootstrap, redis.url, tmp_path) as stack:
        run(stack, redis, tmp_path / "list.db", writes=400, kills=2, seconds=6)
