"""Lists and counts, while users come, go and change, compared with the same done naively over a dictionary."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from query_api import list_plan, redis_lists
from query_api.directory import Filters, ListQuery, Start, UserPage
from read_models.listing import SORTS
from tests.contract.query_api.people import People, Step, any_filters, sort_key, steps
from tests.contract.query_api.projected_worlds import ProjectedWorld, ProjectedWorlds
from tests.unit.query_api.memory_directory import place
from user_directory_events import User

queries = st.builds(
    ListQuery, limit=st.just(1), sort=st.sampled_from(SORTS), descending=st.booleans(), filters=any_filters
)
lives = st.lists(steps, max_size=40)
between_pages = st.lists(st.lists(steps, max_size=5), max_size=8)
limits = st.lists(st.integers(1, 7), min_size=1, max_size=4)
thorough = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Reader:
    """Reads a list from the first page on, and compares each page with the dictionary."""

    world: ProjectedWorld
    people: People
    query: ListQuery
    start: Start | None = None
    listed: list[User] = field(default_factory=list)

    async def next_page(self, limit: int) -> bool:
        """Read a page; return whether it was full, or the last."""
        page = await self._page(self.start, limit)
        behind = self._behind()
        found = len(page.documents)
        assert self._ids(page) == [user.id for user in behind[:found]]
        if page.following is None:
            assert found == len(behind)
        await self._expect_before(page, behind, limit)
        self.listed += behind[:found]
        self.start = page.following
        return found == limit or self.start is None

    async def _expect_before(self, page: UserPage, behind: list[User], limit: int) -> None:
        """Expect that the way back leads through all who are listed before, in the same order."""
        assert (page.previous is None) == (self.start is None)
        ordered = self._ordered()
        before = ordered[: len(ordered) - len(behind)]
        start = page.previous
        found: list[str] = []
        while start is not None:
            back = await self._page(start, limit)
            found = self._ids(back) + found
            start = back.previous
        assert found == [user.id for user in before]

    async def _page(self, start: Start | None, limit: int) -> UserPage:
        return await self.world.directory.list_users(replace(self.query, limit=limit, start=start), None)

    def _ordered(self) -> list[User]:
        users = self.people.matching(self.query.filters)
        return sorted(users, key=lambda user: sort_key(user, self.query.sort), reverse=self.query.descending)

    def _behind(self) -> list[User]:
        ordered, start, sort = self._ordered(), self.start, self.query.sort
        if start is None:
            return ordered
        return [user for user in ordered if (place(user, sort) < start.boundary) == self.query.descending]

    @staticmethod
    def _ids(page: UserPage) -> list[str]:
        return [json.loads(document)["id"] for document in page.documents]


def live(world: ProjectedWorld, people: People, life: Sequence[Step]) -> None:
    for step in life:
        if (event := people.event(step)) is not None:
            world.project(event, people.state(event))


async def read_while_they_live(
    reader: Reader, life: list[Step], later: list[list[Step]], limits: list[int], *, full: bool
) -> None:
    query = reader.query
    live(reader.world, reader.people, life)
    throughout = {(user.id, user.version) for user in reader.people.matching(query.filters)}
    for turn in range(200):
        was_full = await reader.next_page(limits[turn % len(limits)])
        assert was_full or not full
        if reader.start is None:
            break
        live(reader.world, reader.people, later[turn] if turn < len(later) else [])
        throughout &= {(user.id, user.version) for user in reader.people.present()}
    else:
        raise AssertionError("the list has no end")
    keys = Counter(sort_key(user, query.sort) for user in reader.listed)
    assert all(count == 1 for count in keys.values())
    assert throughout <= {(user.id, user.version) for user in reader.listed}


@given(lives, between_pages, queries, limits)
@thorough
def test_each_page_is_what_a_dictionary_gives_filtered_and_sorted(
    worlds: ProjectedWorlds, life: list[Step], later: list[list[Step]], query: ListQuery, limits: list[int]
) -> None:
    async def use(world: ProjectedWorld) -> None:
        await read_while_they_live(Reader(world, People(), query), life, later, limits, full=True)

    worlds.run(use)


@pytest.mark.redis
@pytest.mark.parametrize("way", ["walk", "gather"])
@given(lives, between_pages, queries, limits)
@thorough
def test_so_it_is_when_a_page_may_look_at_a_few_users_only(
    redis_worlds: ProjectedWorlds,
    way: str,
    life: list[Step],
    later: list[list[Step]],
    query: ListQuery,
    limits: list[int],
) -> None:
    """As in a directory a thousand times as large: the bounds are met, and pages are short."""

    async def use(world: ProjectedWorld) -> None:
        await read_while_they_live(Reader(world, People(), query), life, later, limits, full=False)

    words = 1 if way == "walk" else 5
    with bounds(candidates=5, users=2, members=2, words=words, records=1, gathers=way == "gather"):
        redis_worlds.run(use)


@given(lives, any_filters)
@thorough
def test_a_count_is_the_number_of_those_who_meet_the_filters(
    worlds: ProjectedWorlds, life: list[Step], filters: Filters
) -> None:
    async def use(world: ProjectedWorld) -> None:
        people = People()
        live(world, people, life)
        counted = await world.directory.count_users(filters, None)
        assert (counted.count, counted.at_least) == (len(people.matching(filters)), False)

    worlds.run(use)


@pytest.mark.redis
@given(lives, any_filters)
@thorough
def test_a_count_that_may_not_look_at_all_says_so(
    redis_worlds: ProjectedWorlds, life: list[Step], filters: Filters
) -> None:
    async def use(world: ProjectedWorld) -> None:
        people = People()
        live(world, people, life)
        counted = await world.directory.count_users(filters, None)
        number = len(people.matching(filters))
        assert counted.count <= number
        assert counted.at_least or counted.count == number
        if single(filters):
            assert (counted.count, counted.at_least) == (number, False)

    with bounds(candidates=3, users=2, members=2, words=1, records=1, gathers=True):
        redis_worlds.run(use)


def single(filters: Filters) -> bool:
    """Say whether there is one filter only; the times of creation are one."""
    created = filters.created_from is not None or filters.created_before is not None
    others = (filters.status is not None, created, filters.updated_from is not None, filters.email is not None)
    return sum((*others, filters.external_id is not None, len(filters.words))) == 1


@contextmanager
def bounds(*, candidates: int, users: int, members: int, words: int, records: int, gathers: bool) -> Iterator[None]:
    """Let a page look at so many only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_lists, "MOST_CANDIDATES", candidates)
        patch.setattr(redis_lists, "_USERS_A_CALL", users)
        patch.setattr(redis_lists, "_MEMBERS_A_CALL", members)
        patch.setattr(redis_lists, "_MOST_WORDS", words)
        patch.setattr(redis_lists, "_MEMBERS_PER_USER", 1)
        patch.setattr(redis_lists, "_FEW_RECORDS", records)
        patch.setattr(list_plan, "is_cheaper_gathered", lambda *_: gathers)
        yield
