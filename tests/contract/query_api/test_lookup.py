"""What every directory finds when many users are asked for at once."""

from query_api.lookup import MOST_KEYS
from read_models.consistency import ConsistencyToken
from tests.contract.query_api.worlds import World
from tests.unit.query_api.memory_directory import LOG_ID, make_user
from user_directory_events import Gone


async def test_the_answers_stand_in_the_order_of_the_keys(world: World) -> None:
    users = [make_user(number, attributes={"text": "a\nb", "empty": []}) for number in range(4)]
    for number, user in enumerate(users):
        await world.put(user, partition=number % 3)
    documents = [user.to_json() for user in users]
    await world.put(Gone(id=users[3].id, version=2))
    stranger = make_user(9)

    found = await world.directory.lookup(
        [users[2].id, stranger.id, users[3].id, users[2].id],
        [users[1].email, stranger.email, users[3].email, users[0].email],
        None,
    )

    assert found.results == [
        *(documents[2], "unknown", "deleted", documents[2]),
        *(documents[1], "unknown", "unknown", documents[0]),
    ]
    assert found.token == f"{LOG_ID}.0-3.1-1.2-1"


async def test_nobody_may_be_asked_for(world: World) -> None:
    found = await world.directory.lookup([], [], ConsistencyToken(LOG_ID, {0: 0}))

    assert found.results == []
    assert found.token == f"{LOG_ID}.0-0.1-0.2-0"


async def test_an_address_that_two_claim_finds_its_owner(world: World) -> None:
    await world.put(make_user(1, email="jo@example.org"), mark=(1000, "a"))
    await world.put(make_user(2, email="jo@example.org"), partition=1, mark=(999, "b"))

    found = await world.directory.lookup([], ["jo@example.org"], None)

    assert found.results == [make_user(2, email="jo@example.org").to_json()]


async def test_whoever_has_seen_the_later_claim_of_an_address_finds_it(world: World) -> None:
    await world.put(make_user(1, email="jo@example.org"), partition=1, mark=(1000, "a"))
    offset = await world.put(make_user(2, email="jo@example.org"), mark=(2000, "b"))

    found = await world.directory.lookup([], ["jo@example.org"], ConsistencyToken(LOG_ID, {0: offset}))

    assert found.results == [make_user(2, email="jo@example.org").to_json()]


async def test_as_many_as_a_request_may_name_are_found_at_once(world: World) -> None:
    user = make_user(1)
    await world.put(user)

    by_id = await world.directory.lookup([user.id] * MOST_KEYS, [], None)
    by_email = await world.directory.lookup([], [user.email] * MOST_KEYS, None)

    assert by_id.results == by_email.results == [user.to_json()] * MOST_KEYS
