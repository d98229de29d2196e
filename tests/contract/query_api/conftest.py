from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.contract.query_api.worlds import World, WorldMaker, memory_world, redis_world


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def make_world(request: pytest.FixtureRequest) -> WorldMaker:
    if request.param == "memory":
        return memory_world
    return partial(redis_world, request.getfixturevalue("redis_url"))


@pytest.fixture
async def world(make_world: WorldMaker) -> AsyncIterator[World]:
    async with make_world() as made:
        yield made
