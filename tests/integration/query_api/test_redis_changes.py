"""What is true of the change log in Redis only."""

from collections.abc import AsyncIterator

import pytest

from query_api.directory import Unavailable
from read_models.feed import Change, FeedPosition
from tests.contract.query_api.change_worlds import RedisChangeWorld, redis_change_world
from tests.unit.query_api.memory_changes import entry_of
from tests.unit.query_api.memory_directory import LOG_ID

pytestmark = pytest.mark.redis

BEGIN = FeedPosition(LOG_ID, (0, 0, 0))


@pytest.fixture
async def changes(redis_url: str) -> AsyncIterator[RedisChangeWorld]:
    async with redis_change_world(redis_url) as made:
        yield made


async def test_a_position_holds_across_generations(changes: RedisChangeWorld) -> None:
    await changes.append(0)
    position = await changes.log.now()
    later = await changes.append(0)
    assert (await changes.log.read(position, 10)).entries == [later]

    await changes.open(2)
    await changes.write(later)

    assert (await changes.log.read(position, 10)).entries == [later]
    assert not (await changes.log.read(await changes.log.now(), 10)).entries


async def test_what_redis_lost_comes_back_once_it_is_filled_again(changes: RedisChangeWorld) -> None:
    first, second = await changes.append(0), await changes.append(0)
    position = FeedPosition(LOG_ID, (first.offset + 1, 1, 1))
    await changes.redis.delete(changes.keys.live, changes.generation.changes(0))
    with pytest.raises(Unavailable):
        await changes.log.read(position, 10)

    for change in (first, second):
        await changes.write(change)
    await changes.open()

    assert (await changes.log.read(position, 10)).entries == [second]


async def test_an_entry_ahead_of_what_is_projected_comes_once(changes: RedisChangeWorld) -> None:
    """Redis keeps the writes of a script that fails half-way: the entries are there, their progress is not."""
    first = await changes.append(0)
    ahead = Change(0, first.offset + 1, entry_of(7))
    await changes.write(ahead)

    found = await changes.log.read(BEGIN, 10)
    await changes.skip(0)
    then = await changes.log.read(found.position, 10)

    assert [*found.entries, *then.entries] == [first, ahead]
