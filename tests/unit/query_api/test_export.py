import pytest
from falcon.testing import ASGIConductor

from query_api.directory import ListQuery, UserPage
from read_models.consistency import ConsistencyToken
from tests.unit.query_api.memory_directory import LOG_ID, MemoryDirectory, make_user
from user_directory_events import Gone, User

MANY = 600
USERS = [make_user(number, created_at=f"2026-11-24T08:30:00.{number // 2:03d}Z") for number in range(MANY)]


@pytest.fixture(autouse=True)
def users(directory: MemoryDirectory) -> None:
    for user in USERS:
        directory.put(user)


def lines(users: list[User]) -> bytes:
    return b"".join(user.to_json() + b"\n" for user in users)


def after(user: User) -> dict[str, str]:
    return {"after": f"{user.created_at},{user.id}"}


async def test_every_user_is_a_line_oldest_first(client: ASGIConductor) -> None:
    answer = await client.simulate_get("/users/export")

    assert answer.status_code == 200
    assert answer.content == lines(USERS)
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["consistency-token"] == f"{LOG_ID}.0-{MANY}.1-0.2-0"
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("number", [0, 1, 249, 250, MANY - 2, MANY - 1])
async def test_it_goes_on_behind_any_line(client: ASGIConductor, number: int) -> None:
    answer = await client.simulate_get("/users/export", params=after(USERS[number]))

    assert answer.content == lines(USERS[number + 1 :])


async def test_it_goes_on_behind_a_user_who_is_gone(client: ASGIConductor, directory: MemoryDirectory) -> None:
    directory.put(Gone(id=USERS[4].id, version=2))

    answer = await client.simulate_get(
        "/users/export", params={"after": f"{USERS[4].created_at},{USERS[4].id.upper()}"}
    )

    assert answer.content == lines(USERS[5:])


async def test_an_empty_directory_is_an_empty_answer(client: ASGIConductor, directory: MemoryDirectory) -> None:
    directory.users.clear()

    answer = await client.simulate_get("/users/export")

    assert (answer.status_code, answer.content) == (200, b"")


async def test_head_answers_the_same_headers(client: ASGIConductor) -> None:
    answer = await client.simulate_head("/users/export")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-ndjson"


async def test_all_pages_are_as_new_as_the_first(client: ASGIConductor, directory: MemoryDirectory) -> None:
    asked: list[ConsistencyToken | None] = []
    list_users = directory.list_users

    async def note(query: ListQuery, seen: ConsistencyToken | None) -> UserPage:
        asked.append(seen)
        return await list_users(query, seen)

    directory.list_users = note  # type: ignore[method-assign]
    seen = f"{LOG_ID}.0-5"

    answer = await client.simulate_get("/users/export", headers={"Consistency-Token": seen})

    begun_at = ConsistencyToken.parse(answer.headers["consistency-token"])
    assert asked == [ConsistencyToken.parse(seen), begun_at, begun_at]


async def test_while_users_come_and_go_those_who_stay_come_once(
    client: ASGIConductor, directory: MemoryDirectory
) -> None:
    list_users = directory.list_users

    async def change(query: ListQuery, seen: ConsistencyToken | None) -> UserPage:
        page = await list_users(query, seen)
        for number in (0, 5, 599):
            directory.put(Gone(id=USERS[number].id, version=2))
        for number in range(700, 703):
            directory.put(make_user(number, created_at="2026-11-24T08:30:00.000Z"))
        return page

    directory.list_users = change  # type: ignore[method-assign]

    answer = await client.simulate_get("/users/export")

    found = answer.content.splitlines(keepends=True)
    assert found == [user.to_json() + b"\n" for user in USERS[:599]]


@pytest.mark.parametrize(
    "accept", ["application/x-ndjson", "application/*", "*/*", "text/html, application/x-ndjson;q=0.1"]
)
async def test_it_is_there_for_who_takes_ndjson(client: ASGIConductor, accept: str) -> None:
    assert (await client.simulate_get("/users/export", headers={"Accept": accept})).status_code == 200


async def test_who_takes_nothing_of_it_is_told_so(client: ASGIConductor) -> None:
    answer = await client.simulate_get("/users/export", headers={"Accept": "text/csv"})

    assert (answer.status_code, answer.json["type"]) == (406, "urn:user-directory:problem:not-acceptable")
    assert "application/x-ndjson" in answer.json["detail"]


@pytest.mark.parametrize(
    "query",
    ["after=", "after=x", f"after={USERS[0].id}", f"after={USERS[0].created_at}", "cursor=x", "limit=1",
     f"after={USERS[0].created_at},{USERS[0].id}&after={USERS[0].created_at},{USERS[0].id}"],
)  # fmt: skip
async def test_what_is_no_place_is_refused(client: ASGIConductor, directory: MemoryDirectory, query: str) -> None:
    answer = await client.simulate_get("/users/export", query_string=query)

    assert (answer.status_code, answer.json["type"]) == (400, "urn:user-directory:problem:invalid-parameter")
    assert directory.asked == 0


async def test_what_fails_at_its_beginning_is_a_problem(client: ASGIConductor, directory: MemoryDirectory) -> None:
    directory.unavailable = "being filled"

    answer = await client.simulate_get("/users/export")

    assert (answer.status_code, answer.json["type"]) == (503, "urn:user-directory:problem:service-unavailable")
