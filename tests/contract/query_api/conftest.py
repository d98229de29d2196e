import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest

from tests.contract.query_api.projected_worlds import (
    MemoryProjectedWorlds,
    ProjectedWorlds,
    RedisProjectedWorlds,
)
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


@pytest.fixture
def redis_worlds(redis_url: str) -> Iterator[ProjectedWorlds]:
    with asyncio.Runner() as runner:
        worlds = RedisProjectedWorlds(redis_url, runner)
        yield worlds
        worlds.close()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def worlds(request: pytest.FixtureRequest) -> ProjectedWorlds:
    if request.param == "memory":
        return MemoryProjectedWorlds()
    found: ProjectedWorlds = request.getfixturevalue("redis_worlds")
    return found
