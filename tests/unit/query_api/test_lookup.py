import json

import pytest
from falcon.testing import ASGIConductor, Result

from query_api.app import create_app
from query_api.lookup import LEAST_BODY_BYTES, MOST_KEYS
from query_api.settings import QuerySettings
from tests.unit.query_api.memory_directory import LOG_ID, MemoryDirectory, make_user
from user_directory_events import Gone

USERS = [make_user(number, version=number + 1, attributes={"big": 12345678901234567890}) for number in range(4)]
DELETED = make_user(8)


@pytest.fixture(autouse=True)
def users(directory: MemoryDirectory) -> None:
    for number, user in enumerate(USERS):
        directory.put(user, partition=number % 2)
    directory.put(DELETED)
    directory.put(Gone(id=DELETED.id, version=2))


async def look_up(client: ASGIConductor, body: object, **headers: str) -> Result:
    return await client.simulate_post("/users/lookup", json=body, headers=headers)


def places(answer: Result) -> set[str]:
    return {error["pointer"] for error in answer.json["errors"]}


async def test_users_are_found_by_ids_and_addresses_in_the_order_asked_for(client: ASGIConductor) -> None:
    ids = [USERS[2].id.upper(), USERS[0].id]
    emails = [USERS[1].email.upper(), USERS[0].email]

    answer = await look_up(client, {"ids": ids, "emails": emails})

    assert answer.status_code == 200
    assert [item.get("id") or item["email"] for item in answer.json["items"]] == ids + emails
    assert [json.dumps(item["user"]) for item in answer.json["items"]] == [
        json.dumps(json.loads(USERS[number].to_json())) for number in (2, 0, 1, 0)
    ]
    assert answer.json["missing"] == []
    assert USERS[2].to_json() in answer.content
    assert answer.headers["consistency-token"] == f"{LOG_ID}.0-4.1-2.2-0"


async def test_who_is_missing_is_told_with_the_reason(client: ASGIConductor, directory: MemoryDirectory) -> None:
    stranger = make_user(9)

    answer = await look_up(
        client, {"ids": [stranger.id, USERS[0].id, DELETED.id], "emails": [DELETED.email, 'q"@example.org'][:1]}
    )

    assert [item["id"] for item in answer.json["items"]] == [USERS[0].id]
    assert answer.json["missing"] == [
        {"id": stranger.id, "reason": "unknown"},
        {"id": DELETED.id, "reason": "deleted"},
        {"email": DELETED.email, "reason": "unknown"},
    ]
    assert directory.asked == 1


@pytest.mark.parametrize("body", [{}, {"ids": []}, {"ids": [], "emails": []}])
async def test_who_asks_for_nobody_gets_nobody(client: ASGIConductor, body: object) -> None:
    assert (await look_up(client, body)).json == {"items": [], "missing": []}


async def test_who_is_asked_for_twice_is_told_twice(client: ASGIConductor) -> None:
    answer = await look_up(client, {"ids": [USERS[0].id] * 2 + [DELETED.id] * 2})

    assert (len(answer.json["items"]), len(answer.json["missing"])) == (2, 2)


async def test_the_answer_is_as_new_as_the_client_wants_it(client: ASGIConductor, directory: MemoryDirectory) -> None:
    for offset, status in ((4, 200), (5, 503)):
        answer = await look_up(client, {"ids": []}, **{"Consistency-Token": f"{LOG_ID}.0-{offset}", "Prefer": "wait=0"})
        assert (answer.status_code, answer.headers["preference-applied"]) == (status, "wait=0")


async def test_each_bad_key_is_told_by_its_pointer(client: ASGIConductor, directory: MemoryDirectory) -> None:
    ids = ["", USERS[0].id, 7, USERS[0].id + "0", None]
    emails = [
        "nobody",
        "jo@example.org",
        "a b@example.org",
        "@example.org",
        "jo@",
        'a"b@example.org',
        "a@b@c",
        "x" * 250 + "@e.org",
        {},
    ]

    answer = await look_up(client, {"ids": ids, "emails": emails, "names": []})

    assert (answer.status_code, answer.json["type"]) == (400, "urn:user-directory:problem:invalid-request")
    assert places(answer) == {"/names"} | {f"/ids/{n}" for n in (0, 2, 3, 4)} | {
        f"/emails/{n}" for n in (0, 2, 3, 4, 5, 6, 7, 8)
    }
    assert directory.asked == 0


@pytest.mark.parametrize(
    "email", ['"a b"@example.org', '"a\\"@b"@example.org', "ünïcode@exämple.org", "a+b@example.test"]
)
async def test_unusual_addresses_are_addresses(client: ASGIConductor, directory: MemoryDirectory, email: str) -> None:
    directory.put(make_user(5, email=email))

    assert [item["email"] for item in (await look_up(client, {"emails": [email]})).json["items"]] == [email]


@pytest.mark.parametrize(("ids", "emails", "place"), [(0, 1001, "/emails"), (1001, 0, "/ids"), (500, 501, "")])
async def test_no_more_than_a_thousand_are_looked_up(client: ASGIConductor, ids: int, emails: int, place: str) -> None:
    answer = await look_up(client, {"ids": [USERS[0].id] * ids, "emails": ["a@b.c"] * emails})

    assert answer.status_code == 400
    assert places(answer) == {place}
    assert "1000" in answer.json["errors"][0]["detail"]


async def test_a_thousand_of_the_longest_addresses_fit(directory: MemoryDirectory) -> None:
    address = "a" * 64 + "@" + ".".join(["b" * 59] * 3) + ".example"
    emails = [address.ljust(254, "x")] * MOST_KEYS
    async with ASGIConductor(
        create_app(QuerySettings(auth="off", max_body_bytes=1024, access_log=False), directory)
    ) as client:
        fits = await look_up(client, {"emails": emails})
        too_large = await client.simulate_post(
            "/users/lookup", body=b" " * (LEAST_BODY_BYTES + 1), headers={"Content-Type": "application/json"}
        )

    assert (fits.status_code, len(fits.json["missing"])) == (200, MOST_KEYS)
    assert too_large.status_code == 413


@pytest.mark.parametrize("body", [[], "x", 7, {"ids": "x"}, {"ids": None}, {"emails": {}}])
async def test_what_is_no_lookup_is_refused(client: ASGIConductor, body: object) -> None:
    assert (await look_up(client, body)).status_code == 400


async def test_the_body_must_be_json(client: ASGIConductor) -> None:
    answer = await client.simulate_post("/users/lookup", body=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json["type"]) == (400, "urn:user-directory:problem:malformed-json")

    assert (
        await client.simulate_post("/users/lookup", body=b"{}", headers={"Content-Type": "text/plain"})
    ).status_code == 415


async def test_only_post_is_taken_and_no_parameter(client: ASGIConductor) -> None:
    assert (await client.simulate_get("/users/lookup")).status_code == 405
    refused = await client.simulate_post("/users/lookup", json={}, query_string="limit=1")
    assert (refused.status_code, refused.json["errors"][0]["parameter"]) == (400, "limit")
