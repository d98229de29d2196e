"""What the past is said to have been is what folding the history event by event makes of it."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from query_api.directory import FoundUser, NoSuchVersion, UserGone
from query_api.past import HistoryQuery, Past
from tests.histories import USER_ID, Recorded, histories, naive_items
from tests.sample_events import NOW, deleted, reinstated, suspended, updated
from tests.unit.query_api.memory_directory import MemoryDirectory
from user_directory_events import User, UserEvent

blocks = st.integers(1, 5)


def past_of(history: Sequence[Recorded], block: int) -> Past:
    directory = MemoryDirectory()
    for recorded in history:
        directory.record(recorded.event, recorded.timestamp)
    return Past(directory, block)


def as_json(items: Sequence[dict[str, Any]]) -> str:
    return json.dumps(json.loads(to_json(items)))


@given(history=histories(), block=blocks, limits=st.lists(st.integers(1, 5), min_size=1), newest_first=st.booleans())
def test_the_pages_of_a_history_tell_the_differences_of_the_documents(
    history: list[Recorded], block: int, limits: list[int], newest_first: bool
) -> None:
    expected = naive_items(history)
    if newest_first:
        expected.reverse()

    async def walk() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        past, after = past_of(history, block), None
        for turn in range(len(history)):
            limit = limits[turn % len(limits)]
            page = await past.history(USER_ID, HistoryQuery(newest_first, limit, after), None)
            items += page.items
            assert len(page.items) == limit or page.last is None
            if page.last is None:
                break
            after = page.last
        return items

    assert as_json(asyncio.run(walk())) == as_json(expected)


def check(found: FoundUser | type[Exception], recorded: Recorded) -> None:
    if isinstance(recorded.state, User):
        assert isinstance(found, FoundUser)
        assert found.document == recorded.state.to_json()
        assert found.version == str(recorded.event.sequence)
    else:
        assert found is UserGone


async def ask(past: Past, *, version: int | None = None, at: int | None = None) -> FoundUser | type[Exception]:
    try:
        if version is not None:
            return await past.at_version(USER_ID, version, None)
        assert at is not None
        return await past.at_time(USER_ID, at, None)
    except (NoSuchVersion, UserGone) as error:
        return type(error)


@given(history=histories(), block=blocks)
def test_each_version_is_the_document_of_its_time(history: list[Recorded], block: int) -> None:
    async def compare() -> None:
        past = past_of(history, block)
        for recorded in history:
            check(await ask(past, version=recorded.event.sequence), recorded)
        assert await ask(past, version=len(history) + 1) is NoSuchVersion

    asyncio.run(compare())


@given(history=histories(), block=blocks)
def test_each_moment_shows_the_last_event_that_the_broker_had_stamped(history: list[Recorded], block: int) -> None:
    async def compare() -> None:
        past = past_of(history, block)
        for moment in {t for recorded in history for t in (recorded.timestamp, recorded.timestamp + 1)}:
            check(await ask(past, at=moment), [r for r in history if r.timestamp <= moment][-1])
        assert await ask(past, at=NOW - 1) is NoSuchVersion

    asyncio.run(compare())


@given(
    kinds=st.lists(st.sampled_from(["update", "suspend", "reinstate", "delete"]), min_size=1, max_size=8), block=blocks
)
def test_events_that_do_not_fit_are_told_and_break_nothing(kinds: list[str], block: int) -> None:
    """A broken writer's: changes of a user who was never registered, or of one who is deleted."""
    directory = MemoryDirectory()
    for number, kind in enumerate(kinds, 1):
        directory.record(_unfit(kind, number), NOW)

    async def read() -> None:
        past = Past(directory, block)
        page = await past.history(USER_ID, HistoryQuery(False, 100, None), None)
        assert [item["version"] for item in page.items] == list(range(1, len(kinds) + 1))
        for version in range(1, len(kinds) + 1):
            assert isinstance(await ask(past, version=version), type)

    asyncio.run(read())


def _unfit(kind: str, number: int) -> UserEvent:
    if kind == "update":
        return updated(number, sequence=number, fields={"display_name": "Jo"})
    return {"suspend": suspended, "reinstate": reinstated, "delete": deleted}[kind](number, sequence=number)
