from collections.abc import AsyncIterator

import pytest
from falcon.testing import ASGIConductor

from query_api.app import create_app
from query_api.settings import QuerySettings
from tests.unit.query_api.memory_directory import MemoryDirectory


@pytest.fixture
def directory() -> MemoryDirectory:
    return MemoryDirectory()


@pytest.fixture
async def client(directory: MemoryDirectory) -> AsyncIterator[ASGIConductor]:
    async with ASGIConductor(create_app(QuerySettings(auth="off", access_log=False), directory)) as conductor:
        yield conductor
