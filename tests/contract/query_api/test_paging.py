"""Paging while users come and go, compared with the same done naively over a dictionary."""

import asyncio
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from query_api.directory import ListQuery
from tests.contract.query_api.worlds import World, WorldMaker
from tests.unit.query_api.memory_directory import make_user, place
from user_directory_events import Gone, User
from user_directory_events.timestamps import from_milliseconds

# Few ids and few moments, so that users meet.
USERS = st.builds(
    lambda number, moment: make_user(number, created_at=from_milliseconds(1_790_000_000_000 + moment)),
    st.integers(0, 30),
    st.integers(0, 12),
)
CHANGES = st.lists(st.tuples(st.booleans(), USERS), max_size=4)


@given(
    at_first=st.lists(USERS, max_size=20),
    between_pages=st.lists(CHANGES, max_size=12),
    limits=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    newest_first=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_user_comes_twice_and_none_is_left_out_who_was_there_throughout(
    make_world: WorldMaker,
    at_first: list[User],
    between_pages: list[list[tuple[bool, User]]],
    limits: list[int],
    newest_first: bool,
) -> None:
    asyncio.run(_walk(make_world, at_first, between_pages, limits, newest_first))


async def _walk(
    make_world: WorldMaker,
    at_first: list[User],
    between_pages: list[list[tuple[bool, User]]],
    limits: list[int],
    newest_first: bool,
) -> None:
    async with make_world() as world:
        present: dict[str, User] = {}
        ever: dict[str, User] = {}
        for user in at_first:
            await _change(world, present, ever, True, user)
        throughout = set(present)
        listed: list[User] = []
        after, turn = None, 0
        while True:
            limit = limits[turn % len(limits)]
            page = await world.directory.list_users(ListQuery(newest_first, limit, after), None)
            listed += [ever[json.loads(document)["id"]] for document in page.documents]
            behind = [
                user for user in _sorted(present, newest_first) if after is None or _follows(user, after, newest_first)
            ]
            assert listed[len(listed) - len(page.documents) :] == behind[:limit]
            assert (page.last is None) == (len(behind) <= limit)
            if page.last is None:
                break
            after = page.last
            for comes, user in between_pages[turn] if turn < len(between_pages) else []:
                await _change(world, present, ever, comes, user)
                throughout &= set(present)
            turn += 1

        places = [place(user) for user in listed]
        assert places == sorted(set(places), reverse=newest_first)
        assert throughout <= {user.id for user in listed}


async def _change(world: World, present: dict[str, User], ever: dict[str, User], comes: bool, user: User) -> None:
    """Register a user unless the id was taken before; or delete one who is there."""
    if comes and user.id not in ever:
        await world.put(user)
        present[user.id] = ever[user.id] = user
    elif not comes and user.id in present:
        await world.put(Gone(id=user.id, version=2))
        del present[user.id]


def _sorted(present: dict[str, User], newest_first: bool) -> list[User]:
    return sorted(present.values(), key=place, reverse=newest_first)


def _follows(user: User, after: str, newest_first: bool) -> bool:
    return place(user) < after if newest_first else place(user) > after
