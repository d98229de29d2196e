"""What is true of the directory in Redis only."""

import json

import pytest

from query_api.directory import Filters, ListQuery, NotYetVisible, Unavailable, UserNotFound, WrongToken
from read_models import scripts
from read_models.consistency import ConsistencyToken
from read_models.records import HistoryEntry, UserRecord
from tests.contract.query_api.worlds import RedisWorld, redis_world
from tests.sample_events import NOW, registered, user_id
from tests.unit.query_api.memory_directory import LOG_ID, make_user
from user_directory_events import User

pytestmark = pytest.mark.redis

ALL = ListQuery(500)
OTHER_LOG = LOG_ID.replace("1", "2")


def owner_of(address: str) -> ListQuery:
    return ListQuery(50, filters=Filters(email=address))


async def test_a_flip_to_another_generation_is_followed(world: RedisWorld) -> None:
    await world.put(make_user(1))
    await world.put(make_user(2), generation=2)
    assert (await world.directory.user(make_user(1).id, None)).version == "1"

    await world.open(2)

    for _ in range(2):
        assert (await world.directory.user(make_user(2).id, None)).version == "1"
        with pytest.raises(UserNotFound):
            await world.directory.user(make_user(1).id, None)


async def test_a_flip_is_followed_by_lists(world: RedisWorld) -> None:
    await world.put(make_user(1))
    await world.put(make_user(2), generation=2)
    assert len((await world.directory.list_users(ALL, None)).documents) == 1

    await world.open(2)

    page = await world.directory.list_users(ALL, None)
    assert [json.loads(document)["id"] for document in page.documents] == [make_user(2).id]
    assert len((await world.directory.list_users(owner_of(make_user(2).email), None)).documents) == 1


async def test_a_token_of_a_log_that_has_just_become_the_live_one_is_valid(world: RedisWorld) -> None:
    await world.put(make_user(1), generation=2)
    with pytest.raises(WrongToken):
        await world.directory.user(make_user(1).id, ConsistencyToken(OTHER_LOG, {0: 1}))
    with pytest.raises(WrongToken):
        await world.directory.list_users(ALL, ConsistencyToken(OTHER_LOG, {0: 1}))

    await world.open(2, log_id=OTHER_LOG)

    found = await world.directory.user(make_user(1).id, ConsistencyToken(OTHER_LOG, {0: 1}))
    assert found.token == f"{OTHER_LOG}.0-1"
    with pytest.raises(WrongToken):
        await world.directory.list_users(ALL, ConsistencyToken(LOG_ID, {0: 1}))


async def test_an_empty_redis_answers_nothing(world: RedisWorld) -> None:
    await world.put(make_user(1))
    assert (await world.directory.user(make_user(1).id, None)).version == "1"

    await world.redis.delete(world.keys.live)

    with pytest.raises(Unavailable):
        await world.directory.user(make_user(1).id, None)
    with pytest.raises(Unavailable):
        await world.directory.list_users(ALL, None)
    assert await world.directory.not_ready_because()


async def test_a_complete_generation_without_its_partitions_answers_nothing(world: RedisWorld) -> None:
    await world.put(make_user(1))
    await world.redis.delete(world.keys.generation(1).partition(0))

    with pytest.raises(Unavailable):
        await world.directory.user(make_user(1).id, None)
    with pytest.raises(Unavailable):
        await world.directory.list_users(ALL, None)


@pytest.mark.parametrize("partitions", [1, 63, 64, 65, 200])
async def test_the_partition_count_is_that_of_the_log(redis_url: str, partitions: int) -> None:
    async with redis_world(redis_url, partitions) as world:
        page = await world.directory.list_users(ALL, None)
        last = ConsistencyToken(LOG_ID, {partitions - 1: 0})

        assert len(ConsistencyToken.parse(page.token).offsets) == partitions
        assert (await world.directory.list_users(ALL, last)).token == page.token
        with pytest.raises(NotYetVisible):
            await world.directory.list_users(ALL, ConsistencyToken(LOG_ID, {partitions - 1: 1}))
        with pytest.raises(WrongToken):
            await world.directory.list_users(ALL, ConsistencyToken(LOG_ID, {partitions: 0}))


async def test_a_script_that_redis_has_forgotten_is_sent_again(world: RedisWorld) -> None:
    await world.put(make_user(1))
    assert len((await world.directory.list_users(ALL, None)).documents) == 1

    await world.redis.script_flush()

    assert len((await world.directory.list_users(ALL, None)).documents) == 1


async def test_users_whose_documents_are_not_there_are_left_out_but_end_no_list(world: RedisWorld) -> None:
    generation = world.keys.generation(1)
    users = [make_user(number) for number in range(4)]
    for user in users:
        await world.put(user)
    await world.redis.delete(generation.user(users[0].id))
    await world.redis.set(generation.user(users[1].id), UserRecord(1, 0, 1, "gone").encode())

    for filters in (Filters(), Filters(words=("user",)), Filters(words=("user", "example"))):
        first = await world.directory.list_users(ListQuery(2, filters=filters), None)
        found = list(first.documents)
        if first.following is not None:
            second = await world.directory.list_users(ListQuery(2, filters=filters, start=first.following), None)
            assert second.following is None
            found += second.documents
        assert found == [user.to_json() for user in users[2:]]
    assert (await world.directory.list_users(owner_of(users[0].email), None)).documents == []
    assert (await world.directory.list_users(owner_of(users[1].email), None)).documents == []


async def test_a_user_of_whom_only_void_events_are_known_is_not_found(world: RedisWorld) -> None:
    user_id = make_user(1).id
    record = UserRecord(0, 0, 0, "none", b"", ("01936e0a-7a3c-7d2e-9f4b-000000000000",))
    await world.redis.set(world.keys.generation(1).user(user_id), record.encode())

    with pytest.raises(UserNotFound):
        await world.directory.user(user_id, None)


async def test_a_flip_is_followed_by_all_other_questions(world: RedisWorld) -> None:
    async def ask(user: User) -> bytes:
        found = await world.directory.lookup([user.id], [], None)
        part = await world.directory.history(user.id, 0, None, None)
        assert await world.directory.count_recorded(user.id, NOW, None) == len(part.entries) == 1
        (document,) = found.results
        assert isinstance(document, bytes)
        return document

    users = [make_user(1), make_user(2)]
    for generation, user in enumerate(users, 1):
        await world.put(user, generation=generation)
        entry = HistoryEntry.of(registered(subject=user.id), offset=1, timestamp=NOW).encode()
        await world.redis.rpush(world.keys.generation(generation).history(user.id), entry)
    assert await ask(users[0]) == users[0].to_json()

    await world.open(2)

    assert await ask(users[1]) == users[1].to_json()
    with pytest.raises(UserNotFound):
        await world.directory.history(users[0].id, 0, None, None)


async def test_a_history_is_not_read_from_a_generation_without_its_partitions(world: RedisWorld) -> None:
    await world.record(registered(), NOW)
    assert (await world.directory.history(user_id(), 0, None, None)).length == 1
    await world.redis.delete(world.keys.generation(1).partition(2))

    with pytest.raises(Unavailable):
        await world.directory.history(user_id(), 0, None, None)


async def test_users_without_documents_are_missing(world: RedisWorld) -> None:
    generation = world.keys.generation(1)
    users = [make_user(number) for number in range(2)]
    for user in users:
        await world.put(user)
    await world.redis.delete(generation.user(users[0].id))
    await world.redis.set(generation.user(users[1].id), UserRecord(0, 0, 0, "none", b"", ("void id",)).encode())

    found = await world.directory.lookup([user.id for user in users], [user.email for user in users], None)

    assert found.results == ["unknown"] * 4


@pytest.mark.parametrize(
    "name", ["WALK", "PICK", "MEMBERS", "WORD_MEMBERS", "MEASURE", "OWNERS", "LOOKUP", "COUNT_RECORDED"]
)
async def test_scripts_say_that_they_only_read(world: RedisWorld, name: str) -> None:
    script: scripts.Script = getattr(scripts, name)
    # Redis refuses to run any other script this way.
    reply = await world.redis.eval_ro(script.source, 1, world.keys.live, "no pointer", *[0] * 20)

    assert reply == [b"other_generation"]
