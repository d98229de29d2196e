from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from falcon.testing import ASGIConductor

from devstack.kafka_server import KafkaServer
from devstack.redis_server import RedisServer
from tests.guarded import DEFAULT_NAMES, Guarded
from tests.security import apps
from tests.security.tokens import Issuer
from tests.stack import Stack, running_stack


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path / "jwks.json")


@pytest.fixture
async def query(issuer: Issuer) -> AsyncIterator[ASGIConductor]:
    async with apps.client(apps.query(issuer)) as client:
        yield client


class Castle(NamedTuple):
    """Guarded servers, a stack of the names that the documentation uses, and the ways in."""

    access: Guarded
    kafka: KafkaServer
    redis: RedisServer
    stack: Stack


@pytest.fixture(scope="session")
def castle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Castle]:
    directory = tmp_path_factory.mktemp("castle")
    access = Guarded(directory)
    with (
        access.kafka() as kafka,
        access.redis() as redis,
        running_stack(kafka.bootstrap, redis.url, directory, access, **DEFAULT_NAMES) as stack,
    ):
        yield Castle(access, kafka, redis, stack)
