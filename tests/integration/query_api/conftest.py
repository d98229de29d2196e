from collections.abc import AsyncIterator

import pytest

from tests.contract.query_api.worlds import RedisWorld, redis_world


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[RedisWorld]:
    async with redis_world(redis_url) as made:
        yield made
