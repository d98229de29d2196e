from itertools import chain
from urllib.parse import urlsplit

import pytest
from falcon.testing import ASGIConductor
from pydantic import AnyHttpUrl

from query_api.app import create_app
from query_api.settings import QuerySettings
from tests.unit.query_api.memory_directory import LOG_ID, MemoryDirectory, make_user
from user_directory_events import User

USERS = [make_user(number, created_at=f"2026-11-24T08:30:0{number}.000Z") for number in range(7)]


@pytest.fixture(autouse=True)
def users(directory: MemoryDirectory) -> None:
    for number, user in enumerate(USERS):
        directory.put(user, partition=number % 2)


def documents(users: list[User]) -> bytes:
    return b"[" + b",".join(user.to_json() for user in users) + b"]"


async def test_the_oldest_come_first(client: ASGIConductor) -> None:
    answer = await client.simulate_get("/users")

    assert answer.status_code == 200
    assert answer.content == b'{"items":' + documents(USERS) + b',"next":null}'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["consistency-token"] == f"{LOG_ID}.0-4.1-3.2-0"
    assert "link" not in answer.headers


async def test_the_newest_come_first_when_asked_so(client: ASGIConductor) -> None:
    answer = await client.simulate_get("/users", query_string="sort=-created_at&limit=2")

    assert [item["id"] for item in answer.json["items"]] == [USERS[6].id, USERS[5].id]


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_the_link_leads_through_all_pages(client: ASGIConductor, sort: str, limit: int) -> None:
    pages = []
    url: str | None = f"/users?sort={sort}&limit={limit}"
    while url is not None:
        parts = urlsplit(url)
        answer = await client.simulate_get(parts.path, query_string=parts.query)
        pages.append([item["id"] for item in answer.json["items"]])
        following = answer.json["next"]
        url = answer.headers.get("link", "").partition(">")[0].removeprefix("<") or None
        assert (url is None) == (following is None)
        assert following is None or f"cursor={following}" in answer.headers["link"]

    ids = [user.id for user in USERS]
    assert list(chain.from_iterable(pages)) == (ids if sort == "created_at" else ids[::-1])
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert pages[-1]


async def test_the_link_is_built_on_the_public_url(directory: MemoryDirectory) -> None:
    settings = QuerySettings(access_log=False, public_url=AnyHttpUrl("https://directory.example.org/v1/"))
    async with ASGIConductor(create_app(settings, directory)) as client:
        answer = await client.simulate_get("/users", query_string="limit=1")

    assert answer.headers["link"] == (
        f'<https://directory.example.org/v1/users?limit=1&cursor={answer.json["next"]}>; rel="next"'
    )


async def test_a_directory_without_users_has_one_empty_page(client: ASGIConductor, directory: MemoryDirectory) -> None:
    directory.users.clear()

    answer = await client.simulate_get("/users")

    assert (answer.status_code, answer.json) == (200, {"items": [], "next": None})


async def test_head_answers_the_same_headers(client: ASGIConductor) -> None:
    answer = await client.simulate_head("/users", query_string="limit=1")

    assert (answer.status_code, answer.content) == (200, b"")
    assert 'rel="next"' in answer.headers["link"]


@pytest.mark.parametrize("query", ["email=USER3@Example.ORG", "email=user3%40example.org&limit=1&sort=-created_at"])
async def test_an_address_finds_its_user(client: ASGIConductor, query: str) -> None:
    answer = await client.simulate_get("/users", query_string=query)

    assert answer.content == b'{"items":' + documents([USERS[3]]) + b',"next":null}'
    assert answer.headers["consistency-token"] == f"{LOG_ID}.0-4.1-3.2-0"


async def test_an_address_may_hold_a_plus_and_a_comma(client: ASGIConductor, directory: MemoryDirectory) -> None:
    directory.put(make_user(9, email="a+b@example.org"))
    directory.put(make_user(10, email='"a,b"@example.org'))

    plus = await client.simulate_get("/users", query_string="email=a%2Bb@example.org")
    comma = await client.simulate_get("/users", query_string='email="a,b"@example.org')

    assert [item["email"] for item in plus.json["items"]] == ["a+b@example.org"]
    assert [item["email"] for item in comma.json["items"]] == ['"a,b"@example.org']


async def test_an_address_that_nobody_has_finds_nobody(client: ASGIConductor) -> None:
    answer = await client.simulate_get("/users", query_string="email=nobody@example.org")

    assert (answer.status_code, answer.json) == (200, {"items": [], "next": None})


async def test_bad_parameters_are_told_together(client: ASGIConductor, directory: MemoryDirectory) -> None:
    answer = await client.simulate_get("/users", query_string="limit=0&limit=1&sort=&q=x&email")

    assert (answer.status_code, answer.json["type"]) == (400, "urn:user-directory:problem:invalid-parameter")
    assert {error["parameter"] for error in answer.json["errors"]} == {"limit", "sort", "q", "email"}
    assert directory.asked == 0


async def test_a_bad_cursor_has_its_own_problem(client: ASGIConductor) -> None:
    answer = await client.simulate_get("/users", query_string="cursor=abc")

    assert (answer.status_code, answer.json["type"]) == (400, "urn:user-directory:problem:invalid-cursor")


async def test_an_incomplete_directory_is_never_listed(client: ASGIConductor, directory: MemoryDirectory) -> None:
    directory.unavailable = "being filled"

    for query in ("", "email=user3@example.org"):
        answer = await client.simulate_get("/users", query_string=query)
        assert (answer.status_code, answer.json["type"]) == (503, "urn:user-directory:problem:service-unavailable")
