"""What every directory remembers of a user."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from query_api.directory import HistoryPart, UserGone, UserNotFound
from query_api.past import HistoryQuery, Past
from read_models.records import HistoryEntry
from tests.contract.query_api.worlds import World, WorldMaker
from tests.histories import USER_ID, Recorded, erasure, histories, long_history, naive_items
from tests.sample_events import NOW
from tests.unit.query_api.memory_directory import LOG_ID, make_user
from user_directory_events import User


async def remember(world: World, history: list[Recorded]) -> None:
    for recorded in history:
        await world.record(recorded.event, recorded.timestamp)


def versions(part: HistoryPart) -> list[int]:
    return [HistoryEntry.decode(entry).sequence for entry in part.entries]


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, None, [1, 2, 3, 4, 5]),
        (0, 2, [1, 2]),
        (3, 5, [4, 5]),
        (3, 99, [4, 5]),
        (5, 99, []),
        (99, 2**53 + 200, []),
        (-2, None, [4, 5]),
        (-99, None, [1, 2, 3, 4, 5]),
    ],
)
async def test_a_part_is_a_slice_of_the_history(
    world: World, start: int, stop: int | None, expected: list[int]
) -> None:
    await remember(world, long_history(5))

    part = await world.directory.history(USER_ID, start, stop, None)

    assert versions(part) == expected
    assert part.length == 5
    assert HistoryEntry.decode(part.first).timestamp == NOW
    assert part.token == f"{LOG_ID}.0-5.1-0.2-0"


@pytest.mark.parametrize("count", [1, 2, 7, 64])
async def test_what_the_broker_had_stamped_by_a_time_is_counted(world: World, count: int) -> None:
    await remember(world, long_history(count))

    for extra in range(-1, count + 1):
        counted = await world.directory.count_recorded(USER_ID, NOW + extra, None)
        assert counted == max(0, min(extra + 1, count))
    assert await world.directory.count_recorded(USER_ID, -(10**14), None) == 0
    assert await world.directory.count_recorded(USER_ID, 10**14, None) == count


async def test_of_an_unknown_user_nothing_is_remembered(world: World) -> None:
    await remember(world, long_history(1))

    with pytest.raises(UserNotFound):
        await world.directory.history(make_user(1).id, 0, 1, None)
    with pytest.raises(UserNotFound):
        await world.directory.count_recorded(make_user(1).id, NOW, None)


async def test_after_an_erasure_one_entry_is_left(world: World) -> None:
    await remember(world, [*long_history(5), erasure(6, NOW + 99)])

    part = await world.directory.history(USER_ID, 0, None, None)

    assert (versions(part), part.length, part.entries[0]) == ([6], 1, part.first)


@given(history=histories(), block=st.integers(1, 4), limit=st.integers(1, 4), newest_first=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_past_is_what_folding_the_history_makes_of_it(
    make_world: WorldMaker, history: list[Recorded], block: int, limit: int, newest_first: bool
) -> None:
    asyncio.run(_compare(make_world, history, block, HistoryQuery(newest_first, limit, None)))


async def _compare(make_world: WorldMaker, history: list[Recorded], block: int, query: HistoryQuery) -> None:
    async with make_world() as world:
        await remember(world, history)
        past = Past(world.directory, block)
        items: list[dict[str, Any]] = []
        after = query.after
        while True:
            page = await past.history(USER_ID, HistoryQuery(query.newest_first, query.limit, after), None)
            items += page.items
            if page.last is None:
                break
            after = page.last
        expected = naive_items(history)
        assert json.loads(to_json(items)) == (expected[::-1] if query.newest_first else expected)
        for recorded in history:
            if isinstance(recorded.state, User):
                found = await past.at_version(USER_ID, recorded.event.sequence, None)
                assert found.document == recorded.state.to_json()
            else:
                with pytest.raises(UserGone):
                    await past.at_version(USER_ID, recorded.event.sequence, None)
