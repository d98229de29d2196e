from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.contract.command_api.worlds import World, WorldMaker, memory_world, redis_world


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def make_world(request: pytest.FixtureRequest) -> WorldMaker:
    if request.param == "memory":
        return memory_world
    return partial(redis_world, request.getfixturevalue("redis_url"))


@pytest.fixture
async def closed_world(make_world: WorldMaker) -> AsyncIterator[World]:
    """Return a world in which nothing can be written yet."""
    async with make_world() as made:
        yield made


@pytest.fixture
async def world(closed_world: World) -> World:
    """Return a world that lets writes in."""
    closed_world.open()
    return closed_world
