from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from falcon.testing import ASGIConductor

from query_api.directory import HistoryPart
from query_api.past import HistoryQuery, Past
from tests.histories import USER_ID, erasure, long_history
from tests.sample_events import NOW, deleted, event_id, registered, suspended, updated
from tests.unit.query_api.memory_directory import LOG_ID, MemoryDirectory
from user_directory_events.timestamps import from_milliseconds

PATH = f"/users/{USER_ID}/history"
LATER = from_milliseconds(NOW + 5)


@pytest.fixture
def life(directory: MemoryDirectory) -> None:
    directory.record(registered(1, fields={"attributes": {"a": [1.5, None]}}, actor="admin"), NOW + 5)
    directory.record(updated(2, sequence=2, fields={"name": None, "display_name": "Jo"}), NOW + 1000)
    directory.record(suspended(3, sequence=3), NOW + 1000)
    directory.record(deleted(4, sequence=4, actor="admin"), NOW + 2000)


@pytest.mark.usefixtures("life")
async def test_each_event_is_told_with_what_it_changed(client: ASGIConductor) -> None:
    answer = await client.simulate_get(PATH)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["consistency-token"] == f"{LOG_ID}.0-4.1-0.2-0"
    assert "link" not in answer.headers
    common = {"time": from_milliseconds(NOW), "actor": None}
    assert answer.json == {
        "items": [
            {
                **common,
                "version": 1,
                "type": "user.registered",
                "recorded_at": LATER,
                "actor": "admin",
                "event_id": event_id(1),
                "changes": [
                    {"field": "email", "from": None, "to": "jo@example.org"},
                    {"field": "name", "from": None, "to": {"formatted": "Jo Doe"}},
                    {"field": "attributes", "from": None, "to": {"a": [1.5, None]}},
                    {"field": "status", "from": None, "to": "active"},
                ],
            },
            {
                **common,
                "version": 2,
                "type": "user.updated",
                "recorded_at": from_milliseconds(NOW + 1000),
                "event_id": event_id(2),
                "changes": [
                    {"field": "name", "from": {"formatted": "Jo Doe"}, "to": None},
                    {"field": "display_name", "from": None, "to": "Jo"},
                ],
            },
            {
                **common,
                "version": 3,
                "type": "user.suspended",
                "recorded_at": from_milliseconds(NOW + 1000),
                "event_id": event_id(3),
                "changes": [{"field": "status", "from": "active", "to": "suspended"}],
            },
            {
                **common,
                "version": 4,
                "type": "user.deleted",
                "recorded_at": from_milliseconds(NOW + 2000),
                "actor": "admin",
                "event_id": event_id(4),
                "changes": [
                    {"field": "email", "from": "jo@example.org", "to": None},
                    {"field": "display_name", "from": "Jo", "to": None},
                    {"field": "attributes", "from": {"a": [1.5, None]}, "to": None},
                    {"field": "status", "from": "suspended", "to": None},
                ],
            },
        ],
        "next": None,
    }


@pytest.mark.usefixtures("life")
@pytest.mark.parametrize(("sort", "expected"), [("version", [1, 2, 3, 4]), ("-version", [4, 3, 2, 1])])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
async def test_the_link_leads_through_all_pages(
    client: ASGIConductor, sort: str, expected: list[int], limit: int
) -> None:
    versions, url = [], f"{PATH}?sort={sort}&limit={limit}"
    while url:
        parts = urlsplit(url)
        answer = await client.simulate_get(parts.path, query_string=parts.query)
        versions.append([item["version"] for item in answer.json["items"]])
        url = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
        assert bool(url) == (answer.json["next"] is not None)

    assert [version for page in versions for version in page] == expected
    assert [len(page) for page in versions[:-1]] == [limit] * (len(versions) - 1)


@pytest.mark.usefixtures("life")
async def test_an_erased_user_has_one_entry_left(client: ASGIConductor, directory: MemoryDirectory) -> None:
    directory.record(erasure(5, NOW + 3000).event, NOW + 3000)

    for query in (
        "",
        "sort=-version",
        "cursor=2",
        "cursor=4&limit=1",
        "sort=-version&cursor=6",
        "sort=-version&cursor=300",
    ):
        answer = await client.simulate_get(PATH, query_string=query)
        assert [(item["version"], item["type"], item["changes"]) for item in answer.json["items"]] == [
            (5, "user.erased", [])
        ]
        assert answer.json["next"] is None
    for query in ("sort=-version&cursor=4", "sort=-version&cursor=1", "cursor=5", "cursor=100"):
        answer = await client.simulate_get(PATH, query_string=query)
        assert (answer.status_code, answer.json) == (200, {"items": [], "next": None})


@pytest.mark.usefixtures("life")
@pytest.mark.parametrize(
    ("query", "expected"),
    [("cursor=4", []), ("cursor=999", []), ("sort=-version&cursor=1", []), ("sort=-version&cursor=999", [4, 3, 2, 1])],
)
async def test_behind_the_last_entry_there_is_nothing(client: ASGIConductor, query: str, expected: list[int]) -> None:
    answer = await client.simulate_get(PATH, query_string=query)

    assert ([item["version"] for item in answer.json["items"]], answer.json["next"]) == (expected, None)


async def test_an_unknown_user_has_no_history(client: ASGIConductor) -> None:
    answer = await client.simulate_get(PATH)

    assert (answer.status_code, answer.json["type"]) == (404, "urn:user-directory:problem:user-not-found")


@pytest.mark.parametrize("cursor", ["0", "-1", "x", "1.5", "٣", "9007199254740992", ""])
async def test_a_bad_cursor_has_its_own_problem(client: ASGIConductor, cursor: str) -> None:
    answer = await client.simulate_get(PATH, params={"cursor": cursor})

    assert (answer.status_code, answer.json["type"]) == (400, "urn:user-directory:problem:invalid-cursor")


async def test_bad_parameters_are_told_together(client: ASGIConductor, directory: MemoryDirectory) -> None:
    answer = await client.simulate_get(PATH, query_string="limit=201&sort=time&version=1")

    assert (answer.status_code, answer.json["type"]) == (400, "urn:user-directory:problem:invalid-parameter")
    assert {error["parameter"] for error in answer.json["errors"]} == {"limit", "sort", "version"}
    assert (await client.simulate_get("/users/7/history")).status_code == 400
    assert directory.asked == 0


@pytest.mark.parametrize(
    ("newest_first", "expected"), [(True, [199, 198, 197, 196, 195]), (False, [201, 202, 203, 204, 205])]
)
async def test_a_page_of_a_long_history_reads_no_more_than_it_needs(
    directory: MemoryDirectory, newest_first: bool, expected: list[int]
) -> None:
    """The field that the page changes was set just before it: two reads."""
    for recorded in long_history(300):
        directory.record(recorded.event, recorded.timestamp)

    page = await Past(directory, block=10).history(USER_ID, HistoryQuery(newest_first, 5, after=200), None)

    assert [item["version"] for item in page.items] == expected
    assert directory.asked == 2


async def test_an_erasure_between_two_reads_shows_what_it_left(directory: MemoryDirectory) -> None:
    for recorded in long_history(30):
        directory.record(recorded.event, recorded.timestamp)
    reads = directory.history

    async def erase_after_the_first_read(*arguments: object) -> object:
        part = await reads(*arguments)  # type: ignore[arg-type]
        if directory.asked == 1:
            directory.record(erasure(31, NOW + 99).event, NOW + 99)
        return part

    directory.history = erase_after_the_first_read  # type: ignore[method-assign, assignment]

    page = await Past(directory, block=10).history(USER_ID, HistoryQuery(True, 5, None), None)

    assert [item["type"] for item in page.items] == ["user.erased"]


@pytest.mark.parametrize("path", [PATH, f"/users/{USER_ID}?version=1"])
@pytest.mark.usefixtures("life")
async def test_a_past_that_only_a_newer_release_can_read_is_answered_503(
    directory: MemoryDirectory, client: ASGIConductor, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    read = directory.history

    async def of_the_next_release(*asked: Any) -> HistoryPart:
        part = await read(*asked)
        entries = [entry.replace(b"user.registered/1", b"user.registered/2") for entry in part.entries]
        return replace(part, entries=entries, first=entries[0])

    monkeypatch.setattr(directory, "history", of_the_next_release)
    answer = await client.simulate_get(path)

    assert answer.status_code == 503
    assert answer.json["type"] == "urn:user-directory:problem:service-unavailable"
    assert int(answer.headers["retry-after"]) > 0
