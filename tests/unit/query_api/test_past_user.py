import pytest
from falcon.testing import ASGIConductor, Result

from tests.histories import USER_ID, erasure
from tests.sample_events import NOW, deleted, registered, updated
from tests.unit.query_api.memory_directory import LOG_ID, MemoryDirectory
from user_directory_events import evolve
from user_directory_events.timestamps import from_milliseconds

PATH = f"/users/{USER_ID}"
EVENTS = [registered(1), updated(2, sequence=2, fields={"display_name": "Jo"}), deleted(3, sequence=3)]
FIRST = evolve(None, EVENTS[0])
SECOND = evolve(FIRST, EVENTS[1])


@pytest.fixture(autouse=True)
def life(directory: MemoryDirectory) -> None:
    for number, event in enumerate(EVENTS):
        directory.record(event, NOW + 1000 * number)


def at(milliseconds: int) -> dict[str, str]:
    return {"at": from_milliseconds(milliseconds)}


def outcome(answer: Result) -> tuple[int, str]:
    return answer.status_code, answer.json["type"].removeprefix("urn:user-directory:problem:")


@pytest.mark.parametrize("params", [{"version": "2"}, at(NOW + 1000), at(NOW + 1999)])
async def test_the_user_is_shown_as_it_was(client: ASGIConductor, params: dict[str, str]) -> None:
    answer = await client.simulate_get(PATH, params=params)

    assert answer.status_code == 200
    assert answer.content == SECOND.to_json()  # type: ignore[union-attr]
    assert answer.headers["etag"] == '"2"'
    assert answer.headers["consistency-token"] == f"{LOG_ID}.0-3.1-0.2-0"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_client_that_has_the_version_gets_no_body(client: ASGIConductor, method: str) -> None:
    for params in ({"version": "1"}, at(NOW)):
        answer = await client.simulate_request(method, PATH, params=params, headers={"If-None-Match": '"1"'})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')
    other = await client.simulate_get(PATH, params={"version": "1"}, headers={"If-None-Match": '"2"'})
    assert other.status_code == 200


async def test_unknown_users_versions_and_deletions_are_told_apart(client: ASGIConductor) -> None:
    async def ask(params: dict[str, str], path: str = PATH) -> tuple[int, str]:
        return outcome(await client.simulate_get(path, params=params))

    assert await ask({"version": "3"}) == await ask(at(NOW + 2000)) == (410, "user-deleted")
    assert await ask({"version": "4"}) == await ask(at(NOW - 1)) == (404, "user-version-not-found")
    stranger = PATH[:-1] + "9"
    assert await ask({"version": "1"}, stranger) == await ask(at(NOW), stranger) == (404, "user-not-found")


async def test_of_an_erased_user_nothing_is_shown(client: ASGIConductor, directory: MemoryDirectory) -> None:
    directory.record(erasure(4, NOW + 5000).event, NOW + 5000)

    for params in ({"version": "1"}, {"version": "4"}, {"version": "9"}, at(NOW), at(NOW + 9000)):
        assert outcome(await client.simulate_get(PATH, params=params)) == (410, "user-deleted")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T08:30:01.123Z",
        "2026-11-24t08:30:01.123999999z",
        "2026-11-24T10:30:01.123+02:00",
        "2026-11-24T03:00:01.123-05:30",
    ],
)
async def test_a_time_may_be_written_in_any_way_of_rfc_3339(client: ASGIConductor, text: str) -> None:
    assert from_milliseconds(NOW) == "2026-11-24T08:30:00.123Z"

    assert (await client.simulate_get(PATH, params={"at": text})).json["version"] == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-24",
        "2026-11-24T08:30:00",
        "2026-11-24 08:30:00Z",
        "2026-11-24T08:30Z",
        "20261124T083000Z",
        "2026-13-24T08:30:00Z",
        "2026-11-24T08:30:60Z",
        "0000-01-01T00:00:00Z",
        "2026-11-24T08:30:00+0200",
        "2026-11-24T08:30:00,5Z",
        "2026-W48-2T08:30:00Z",
        "٢026-11-24T08:30:00Z",
    ],
)
async def test_what_is_no_time_is_refused(client: ASGIConductor, directory: MemoryDirectory, text: str) -> None:
    answer = await client.simulate_get(PATH, params={"at": text})

    assert outcome(answer) == (400, "invalid-parameter")
    assert [error["parameter"] for error in answer.json["errors"]] == ["at"]
    assert directory.asked == 0


async def test_a_plus_that_became_a_space_is_explained(client: ASGIConductor) -> None:
    answer = await client.simulate_get(PATH, query_string="at=2026-11-24T10:30:01+02:00")

    assert "%2B" in answer.json["errors"][0]["detail"]


@pytest.mark.parametrize("text", ["", "0", "-1", "+1", "1.0", "x", "٣", "9007199254740992", " 1"])
async def test_what_is_no_version_is_refused(client: ASGIConductor, text: str) -> None:
    answer = await client.simulate_get(PATH, params={"version": text})

    assert outcome(answer) == (400, "invalid-parameter")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("version=1&at=2026-11-24T08:30:00Z", ["version", "at"]),
        ("version=1&version=1", ["version"]),
        ("fields=id&version=x", ["fields", "version"]),
    ],
)
async def test_one_moment_is_asked_for(client: ASGIConductor, query: str, names: list[str]) -> None:
    answer = await client.simulate_get(PATH, query_string=query)

    assert outcome(answer) == (400, "invalid-parameter")
    assert [error["parameter"] for error in answer.json["errors"]] == names


async def test_an_empty_query_asks_for_the_present(client: ASGIConductor) -> None:
    assert outcome(await client.simulate_get(PATH, query_string="&")) == (410, "user-deleted")
