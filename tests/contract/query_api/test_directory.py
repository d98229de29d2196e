"""What every directory answers: the one in memory that the app is tested with, and the real one."""

import json

import pytest

from query_api.directory import (
    Filters,
    ListQuery,
    NotYetVisible,
    Start,
    Unavailable,
    UserGone,
    UserNotFound,
    UserPage,
    WrongToken,
)
from read_models.consistency import ConsistencyToken
from read_models.keys import Sort
from read_models.listing import SORTS
from tests.contract.query_api.worlds import PARTITIONS, World
from tests.sample_events import event_id
from tests.unit.query_api.memory_directory import LOG_ID, make_user, place
from user_directory_events import Gone, User

ALL = ListQuery(500)
OTHER_LOG = LOG_ID.replace("1", "2")


def owner_of(address: str) -> ListQuery:
    return ListQuery(50, filters=Filters(email=address))


def token(text: str) -> ConsistencyToken:
    return ConsistencyToken.parse(f"{LOG_ID}.{text}")


def ids(documents: object) -> list[str]:
    assert isinstance(documents, list | tuple)
    return [json.loads(document)["id"] for document in documents]


async def test_a_user_is_found_as_stored(world: World) -> None:
    user = make_user(1, version=7, attributes={"text": "a\nb", "empty": []})
    await world.put(user, partition=1)

    found = await world.directory.user(user.id, None)

    assert found.document == user.to_json()
    assert found.version == "7"
    assert found.token == f"{LOG_ID}.1-1"


async def test_users_unknown_deleted_and_erased_are_told_apart(world: World) -> None:
    deleted, erased = make_user(2), make_user(3)
    for user in (deleted, erased):
        await world.put(user)
    await world.put(Gone(id=deleted.id, version=2))
    await world.put(Gone(id=erased.id, version=2, erased=True))

    with pytest.raises(UserNotFound):
        await world.directory.user(make_user(1).id, None)
    for gone in (deleted, erased):
        with pytest.raises(UserGone):
            await world.directory.user(gone.id, None)


async def test_an_address_leads_to_its_user_only(world: World) -> None:
    await world.put(make_user(1, email="Jo@Example.org"), partition=1)
    await world.put(make_user(2))

    page = await world.directory.list_users(owner_of("jo@example.org"), None)

    assert ids(page.documents) == [make_user(1).id]
    assert page.previous is page.following is None
    assert page.token == f"{LOG_ID}.0-1.1-1.2-0"


async def test_an_address_that_is_free_again_leads_to_nobody(world: World) -> None:
    await world.put(make_user(1, email="old@example.org"))
    await world.put(make_user(1, email="new@example.org", version=2))
    await world.put(make_user(2))
    await world.put(Gone(id=make_user(2).id, version=2))

    for address in ("old@example.org", "user2@example.org", "nobody@example.org"):
        assert (await world.directory.list_users(owner_of(address), None)).documents == []


@pytest.mark.parametrize(
    ("first", "second"),
    [((999, 2), (1000, 1)), ((1000, 1), (1000, 2)), ((99999999999, 2), (100000000000, 1))],
)
async def test_of_two_who_claim_an_address_the_earlier_owns_it(
    world: World, first: tuple[int, int], second: tuple[int, int]
) -> None:
    earlier, later = ((ms, event_id(number)) for ms, number in (first, second))
    await world.put(make_user(1, email="jo@example.org"), mark=later)
    await world.put(make_user(2, email="jo@example.org"), partition=1, mark=earlier)
    await world.put(make_user(3, email="jo@example.org"), partition=2, mark=later)

    page = await world.directory.list_users(owner_of("jo@example.org"), None)

    assert ids(page.documents) == [make_user(2).id]


async def test_whoever_has_seen_the_later_claim_of_an_address_finds_it(world: World) -> None:
    """The partition of the former owner is being filled again, and its release of the address not read yet."""
    await world.put(make_user(1, email="jo@example.org"), mark=(1000, event_id(1)))
    offset = await world.put(make_user(2, email="jo@example.org"), partition=1, mark=(2000, event_id(2)))
    seen = ConsistencyToken(LOG_ID, {1: offset})

    page = await world.directory.list_users(owner_of("jo@example.org"), seen)

    assert ids(page.documents) == [make_user(2).id]
    assert (await world.directory.count_users(owner_of("jo@example.org").filters, seen)).count == 1


async def test_users_are_listed_by_creation_and_then_by_id(world: World) -> None:
    moments = [
        "2026-11-24T08:30:00.999Z",
        "2026-11-24T08:30:01.000Z",
        "2026-11-24T08:30:01.000Z",
        "1969-01-01T00:00:00.000Z",
    ]
    users = [make_user(number, created_at=moment) for number, moment in enumerate(moments)]
    for user in reversed(users):
        await world.put(user)
    expected = [users[number].id for number in (3, 0, 1, 2)]

    oldest = await world.directory.list_users(ALL, None)
    newest = await world.directory.list_users(ListQuery(500, descending=True), None)

    assert ids(oldest.documents) == expected
    assert ids(newest.documents) == expected[::-1]
    assert oldest.following is newest.following is None
    assert oldest.token == f"{LOG_ID}.0-4.1-0.2-0"


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", SORTS)
async def test_a_page_says_where_those_beside_it_begin(world: World, sort: Sort, descending: bool) -> None:
    users = [make_user(number) for number in range(5)]
    for user in users:
        await world.put(user)
    ordered = [user.id for user in (users[::-1] if descending else users)]

    async def page(start: Start | None) -> UserPage:
        return await world.directory.list_users(ListQuery(2, sort, descending, start=start), None)

    first = await page(None)
    second = await page(first.following)
    third = await page(second.following)
    second_again = await page(third.previous)
    first_again = await page(second_again.previous)
    second_at_last = await page(first_again.following)

    pages = [ids(each.documents) for each in (first, second, third, second_again, first_again, second_at_last)]
    assert pages == [ordered[:2], ordered[2:4], ordered[4:], ordered[2:4], ordered[:2], ordered[2:4]]
    assert first.previous is third.following is first_again.previous is None


async def test_the_place_of_a_user_who_is_gone_still_holds(world: World) -> None:
    users = [make_user(number) for number in range(3)]
    for user in users:
        await world.put(user)
    await world.put(Gone(id=users[1].id, version=2))

    page = await world.directory.list_users(ListQuery(1, start=Start(place(users[1]) + b"\0")), None)

    assert ids(page.documents) == [users[2].id]


@pytest.mark.parametrize("seen", ["0-1", "1-1", "0-0.1-1.2-0", "0-1.1-1"])
async def test_what_was_seen_is_shown(world: World, seen: str) -> None:
    user = make_user(1)
    await world.put(make_user(2))
    await world.put(user, partition=1)

    assert (await world.directory.user(user.id, token(seen))).version == "1"
    assert len((await world.directory.list_users(ALL, token(seen))).documents) == 2
    assert len((await world.directory.list_users(owner_of(user.email), token(seen))).documents) == 1
    assert (await world.directory.count_users(Filters(), token(seen))).count == 2


async def ask_all(world: World, seen: ConsistencyToken | None, error: type[Exception]) -> None:
    user: User = make_user(1)
    with pytest.raises(error):
        await world.directory.user(user.id, seen)
    with pytest.raises(error):
        await world.directory.list_users(ALL, seen)
    with pytest.raises(error):
        await world.directory.list_users(owner_of(user.email), seen)
    with pytest.raises(error):
        await world.directory.list_users(ListQuery(2, filters=Filters(status="active", words=("user",))), seen)
    with pytest.raises(error):
        await world.directory.count_users(Filters(), seen)
    with pytest.raises(error):
        await world.directory.lookup([user.id], [user.email], seen)
    with pytest.raises(error):
        await world.directory.history(user.id, 0, 1, seen)
    with pytest.raises(error):
        await world.directory.count_recorded(user.id, 0, seen)


@pytest.mark.parametrize("seen", ["0-2", "2-1", "1-1.2-1", "0-9999999999999999999"])
async def test_what_cannot_be_shown_yet_is_refused(world: World, seen: str) -> None:
    await world.put(make_user(1))
    await world.put(make_user(1, version=2), partition=1)

    await ask_all(world, token(seen), NotYetVisible)


async def test_a_token_is_reached_once_its_record_is_projected(world: World) -> None:
    await ask_all(world, token("1-1"), NotYetVisible)

    await world.put(make_user(1), partition=1)

    assert (await world.directory.user(make_user(1).id, token("1-1"))).version == "1"


@pytest.mark.parametrize("seen", [ConsistencyToken(OTHER_LOG, {0: 0}), ConsistencyToken(LOG_ID, {PARTITIONS: 0})])
async def test_a_token_of_another_log_is_refused(world: World, seen: ConsistencyToken) -> None:
    await world.put(make_user(1))

    await ask_all(world, seen, WrongToken)


async def test_while_the_read_models_are_filled_nothing_is_answered(world: World) -> None:
    await world.put(make_user(1))
    assert await world.directory.not_ready_because() is None
    assert (await world.directory.user(make_user(1).id, None)).version == "1"

    await world.fill_anew()

    await ask_all(world, None, Unavailable)
    await ask_all(world, token("0-0"), Unavailable)
    assert await world.directory.not_ready_because()
