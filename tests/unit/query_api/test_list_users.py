from itertools import chain
from urllib.parse import urlsplit

import httpx
import pytest
from falcon.testing import ASGIConductor, Result
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


def links(answer: Result) -> dict[str, str]:
    """Return the URLs of the Link header by their relation."""
    found = httpx.Response(200, headers={"link": answer.headers.get("link", "")}).links
    return {str(relation): link["url"] for relation, link in found.items()}


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-email"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_the_links_lead_through_all_pages_and_back(client: ASGIConductor, sort: str, limit: int) -> None:
    forth, back, beside = [], [], {}
    url: str | None = f"/users?sort={sort}&limit={limit}"
    while url is not None:
        answer = await get(client, url)
        forth.append([item["id"] for item in answer.json["items"]])
        beside = links(answer)
        assert ("prev" in beside) == (len(forth) > 1)
        url, following = beside.get("next"), answer.json["next"]
        assert following is None if url is None else f"cursor={following}" in url
    previous = beside.get("prev")
    while previous is not None:
        answer = await get(client, previous)
        back.append([item["id"] for item in answer.json["items"]])
        assert "next" in links(answer)
        previous = links(answer).get("prev")

    ids = [user.id for user in USERS]
    assert list(chain.from_iterable(forth)) == (ids[::-1] if sort.startswith("-") else ids)
    assert [len(page) for page in forth[:-1]] == [limit] * (len(forth) - 1)
    assert forth[-1]
    assert back == forth[-2::-1]


async def get(client: ASGIConductor, url: str) -> Result:
    parts = urlsplit(url)
    return await client.simulate_get(parts.path, query_string=parts.query)


async def test_the_link_is_built_on_the_public_url(directory: MemoryDirectory) -> None:
    settings = QuerySettings(auth="off", access_log=False, public_url=AnyHttpUrl("https://directory.example.org/v1/"))
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
    answer = await client.simulate_get("/users", query_string="limit=0&limit=1&sort=&page=x&email&q=-")

    assert (answer.status_code, answer.json["type"]) == (400, "urn:user-directory:problem:invalid-parameter")
    assert {error["parameter"] for error in answer.json["errors"]} == {"limit", "sort", "page", "email", "q"}
    assert directory.asked == 0


async def test_a_bad_cursor_has_its_own_problem(client: ASGIConductor) -> None:
    answer = await client.simulate_get("/users", query_string="cursor=abc")

    assert (answer.status_code, answer.json["type"]) == (400, "urn:user-directory:problem:invalid-cursor")


async def test_an_incomplete_directory_is_never_listed(client: ASGIConductor, directory: MemoryDirectory) -> None:
    directory.unavailable = "being filled"

    for url in ("/users", "/users?email=user3@example.org", "/users?q=user", "/users/count"):
        answer = await get(client, url)
        assert (answer.status_code, answer.json["type"]) == (503, "urn:user-directory:problem:service-unavailable")


async def test_filters_are_combined(client: ASGIConductor, directory: MemoryDirectory) -> None:
    directory.put(make_user(8, status="suspended", display_name="Žofie", created_at="2026-11-24T08:30:08.000Z"))
    directory.put(make_user(9, status="suspended", display_name="Žofie", created_at="2026-11-24T08:30:09.000Z"))
    query = "q=zof%20user8&status=suspended&created_after=2026-11-24T08:30:07Z&sort=-name"

    page = await client.simulate_get("/users", query_string=query)
    count = await client.simulate_get("/users/count", query_string=query.removesuffix("&sort=-name"))

    assert [item["email"] for item in page.json["items"]] == ["user8@example.org"]
    assert count.json == {"count": 1}


async def test_only_the_fields_asked_for_are_answered(client: ASGIConductor, directory: MemoryDirectory) -> None:
    directory.put(make_user(3, external_id="hr-3", attributes={"n": 2**70, "f": 0.1, "l": [], "z": None}))

    page = await client.simulate_get("/users", query_string="email=user3@example.org&fields=attributes,external_id,id")
    absent = await client.simulate_get("/users", query_string="email=user4@example.org&fields=external_id")

    assert page.json["items"] == [
        {"attributes": {"n": 2**70, "f": 0.1, "l": [], "z": None}, "external_id": "hr-3", "id": USERS[3].id}
    ]
    assert absent.json["items"] == [{}]


async def test_a_count_says_how_new_it_is(client: ASGIConductor) -> None:
    answer = await client.simulate_get("/users/count")

    assert (answer.status_code, answer.json) == (200, {"count": 7})
    assert answer.headers["consistency-token"] == f"{LOG_ID}.0-4.1-3.2-0"


async def test_a_count_that_is_not_the_whole_says_so(client: ASGIConductor, directory: MemoryDirectory) -> None:
    directory.most_counted = 5

    answer = await client.simulate_get("/users/count", query_string="q=user&status=active")

    assert answer.json == {"count": 5, "at_least": True}
