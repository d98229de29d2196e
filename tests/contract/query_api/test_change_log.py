"""The change log in memory, which other tests trust, and the one in Redis answer alike."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from query_api.change_log import Changes, PositionLost
from query_api.directory import Unavailable
from read_models.feed import Change, FeedPosition
from tests.contract.query_api.change_worlds import (
    PARTITIONS,
    ChangeWorld,
    ChangeWorldMaker,
    memory_change_world,
    redis_change_world,
)
from tests.unit.query_api.memory_directory import LOG_ID

OTHER_LOG = LOG_ID.replace("1", "2")
BEGIN = FeedPosition(LOG_ID, (0,) * PARTITIONS)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def make_change_world(request: pytest.FixtureRequest) -> ChangeWorldMaker:
    if request.param == "memory":
        return memory_change_world
    return partial(redis_change_world, request.getfixturevalue("redis_url"))


@pytest.fixture
async def world(make_change_world: ChangeWorldMaker) -> AsyncIterator[ChangeWorld]:
    async with make_change_world() as made:
        yield made


async def all_from(world: ChangeWorld, position: FeedPosition, limit: int = 100) -> tuple[list[Change], FeedPosition]:
    entries: list[Change] = []
    while True:
        changes = await world.log.read(position, limit)
        entries += changes.entries
        if not changes.more:
            assert changes.position.includes(position)
            return entries, changes.position
        position = changes.position


async def test_nothing_follows_now(world: ChangeWorld) -> None:
    await world.append()
    now = await world.log.now()

    assert await world.log.read(now, 10) == Changes([], now, more=False)


async def test_now_is_behind_every_record_accepted_or_not(world: ChangeWorld) -> None:
    await world.append(0)
    await world.skip(2)
    await world.skip(2)

    assert await world.log.now() == FeedPosition(LOG_ID, (2, 1, 3))


async def test_what_follows_a_position_is_read_in_order(world: ChangeWorld) -> None:
    await world.append()
    now = await world.log.now()
    appended = [await world.append(number % 2) for number in range(6)]

    changes = await world.log.read(now, 100)

    assert sorted(changes.entries, key=lambda c: c.entry.event) == appended
    for partition in range(2):
        offsets = [change.offset for change in changes.entries if change.partition == partition]
        assert offsets == sorted(offsets)
    assert (changes.position, changes.more) == (await world.log.now(), False)


async def test_records_that_are_no_accepted_events_are_passed_over(world: ChangeWorld) -> None:
    await world.skip(1)
    change = await world.append(1)
    await world.skip(1)
    await world.skip(1)

    assert await world.log.read(BEGIN, 100) == Changes([change], await world.log.now(), more=False)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7])
async def test_in_small_pieces_nothing_is_left_out_and_nothing_comes_twice(world: ChangeWorld, limit: int) -> None:
    appended = []
    for number in range(20):
        appended.append(await world.append(number % 3 if number < 10 else 1))
        await world.skip(number % 2)

    entries, position = await all_from(world, BEGIN, limit)

    assert sorted(entries, key=lambda change: change.entry.event) == appended
    assert position == await world.log.now()


async def test_one_piece_is_about_as_large_as_asked_for(world: ChangeWorld) -> None:
    for number in range(30):
        await world.append(number % 3)

    changes = await world.log.read(BEGIN, 6)

    assert [change.partition for change in changes.entries] == [0, 0, 1, 1, 2, 2]
    assert changes.more


async def test_a_busy_partition_does_not_hold_up_another(world: ChangeWorld) -> None:
    for _ in range(50):
        await world.append(0)
    other = await world.append(2)

    assert other in (await world.log.read(BEGIN, 10)).entries


async def test_a_position_before_what_is_kept_is_lost(world: ChangeWorld) -> None:
    before = await world.log.now()
    await world.append(1)
    await world.append(2)
    await world.forget(1)

    with pytest.raises(PositionLost) as lost:
        await world.log.read(before, 10)
    assert lost.value.reason == "too-old"

    at = FeedPosition(LOG_ID, (1, 2, 1))
    assert [change.partition for change in (await world.log.read(at, 10)).entries] == [2]


@pytest.mark.parametrize("position", [FeedPosition(OTHER_LOG, (0, 0, 0)), FeedPosition(LOG_ID, (0, 0))])
async def test_a_position_of_another_log_is_lost(world: ChangeWorld, position: FeedPosition) -> None:
    await world.append()

    with pytest.raises(PositionLost) as lost:
        await world.log.read(position, 10)
    assert lost.value.reason == "other-log"


async def test_a_log_that_has_just_become_the_live_one_has_positions_of_its_own(world: ChangeWorld) -> None:
    await world.append()
    before = await world.log.now()

    await world.change_log(OTHER_LOG)

    assert (await world.log.now()).log_id == OTHER_LOG
    assert not (await world.log.read(await world.log.now(), 10)).entries
    with pytest.raises(PositionLost):
        await world.log.read(before, 10)


async def test_while_the_read_models_are_filled_nothing_is_told(world: ChangeWorld) -> None:
    position = await world.log.now()
    await world.append()
    await world.fill_anew()

    with pytest.raises(Unavailable):
        await world.log.now()
    with pytest.raises(Unavailable):
        await world.log.read(position, 10)


async def test_read_models_that_came_back_older_tell_nothing_twice(world: ChangeWorld) -> None:
    await world.append(0)
    before = await world.log.now()
    await world.append(1)
    await world.come_back_older()

    assert await world.log.read(before, 10) == Changes([], before, more=False)

    await world.come_back()
    assert [change.partition for change in (await world.log.read(before, 10)).entries] == [1]
