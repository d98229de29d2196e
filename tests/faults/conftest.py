"""A Kafka and a Redis that these tests may kill, freeze and wipe, and the product's processes on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import servers
from devstack.kafka_server import KafkaServer
from devstack.redis_server import RedisServer
from tests.stack import Stack, running_stack


@pytest.fixture(scope="session")
def _kafka() -> Iterator[KafkaServer]:
    with servers.kafka() as server:
        yield server


@pytest.fixture(scope="session")
def _redis() -> Iterator[RedisServer]:
    with servers.redis(persistent=True) as server:
        yield server


@pytest.fixture
def kafka(_kafka: KafkaServer) -> Iterator[KafkaServer]:
    """Return a Kafka to be broken; the next test finds it mended."""
    yield _kafka
    _kafka.resume()
    if not _kafka.pid:
        _kafka.start()
        _kafka.wait_ready()


@pytest.fixture
def redis(_redis: RedisServer) -> Iterator[RedisServer]:
    """Return a Redis, with its data on disk, to be broken; the next test finds it mended."""
    yield _redis
    _redis.resume()
    if not _redis.pid:
        _redis.start()
        _redis.wait_ready()


@pytest.fixture
def breakable(kafka: KafkaServer, redis: RedisServer, tmp_path: Path) -> Iterator[Stack]:
    """Return processes to be broken, with a log of their own."""
    with running_stack(kafka.bootstrap, redis.url, tmp_path) as stack:
        yield stack
