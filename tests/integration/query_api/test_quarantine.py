"""What readers see of a user whose events wait in quarantine: the last good document, and never as if it were newer."""

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from falcon.testing import ASGIConductor

from projector.settings import ProjectorSettings
from projector.store import ReadModelStore
from query_api.app import create_app
from query_api.settings import QuerySettings
from tests.sample_events import EPOCH, NOW, discard, event_id, registered, suspended, updated, user_id
from tests.small_projector import SmallProjector

pytestmark = pytest.mark.redis

USER, STRANGER, UNSHOWN = user_id(1), user_id(2), user_id(3)


@pytest.fixture
async def projector(redis_url: str) -> AsyncIterator[SmallProjector]:
    """Return a projector of three users: one is registered twice, one is fine, one was changed but never registered."""
    store = ReadModelStore(ProjectorSettings(redis_url=redis_url, redis_key_prefix=f"test-{uuid4().hex}"))
    made = SmallProjector(store)
    made.open_epoch(EPOCH, NOW)
    for event in (
        registered(1),
        registered(2, sequence=2, email="second@example.org"),
        suspended(3, sequence=3),
        registered(4, user=2, email="other@example.org"),
        updated(5, user=3, sequence=1, fields={"display_name": "Nobody"}),
    ):
        made.append(event, NOW)
    made.project()
    yield made
    store.close()


@pytest.fixture
async def client(projector: SmallProjector, redis_url: str) -> AsyncIterator[ASGIConductor]:
    """Return a client of a query API over that Redis."""
    settings = QuerySettings(
        auth="off", redis_url=redis_url, redis_key_prefix=projector.store.keys.prefix, access_log=False
    )
    async with ASGIConductor(create_app(settings)) as conductor:
        yield conductor


def token(projector: SmallProjector, offset: int) -> dict[str, str]:
    return {"Consistency-Token": f"{projector.log_id}.0-{offset}"}


async def test_the_last_good_document_says_what_it_is(client: ASGIConductor, projector: SmallProjector) -> None:
    answer = await client.simulate_get(f"/users/{USER}")

    assert answer.status_code == 200
    assert (answer.json["version"], answer.json["status"], answer.json["email"]) == (1, "active", "jo@example.org")
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["latest-version"] == '"3"'
    assert answer.headers["consistency-token"] == f"{projector.log_id}.0-1"
    assert "latest-version" not in (await client.simulate_get(f"/users/{STRANGER}")).headers


async def test_who_has_seen_an_event_that_waits_is_not_given_an_older_document(
    client: ASGIConductor, projector: SmallProjector
) -> None:
    older = await client.simulate_get(f"/users/{USER}", headers=token(projector, 1))
    newer = await client.simulate_get(f"/users/{USER}", headers=token(projector, 2) | {"Prefer": "wait=5"})

    assert older.status_code == 200
    assert newer.status_code == 503
    assert newer.json["type"].endswith("user-in-quarantine")
    assert "retry-after" in newer.headers
    assert (await client.simulate_get(f"/users/{STRANGER}", headers=token(projector, 5))).status_code == 200


async def test_who_has_no_good_document_is_neither_unknown_nor_there(client: ASGIConductor) -> None:
    assert (await client.simulate_get(f"/users/{UNSHOWN}")).status_code == 503
    found = await client.simulate_post("/users/lookup", json={"ids": [UNSHOWN, USER]})
    assert found.json["missing"] == [{"id": UNSHOWN, "reason": "in-quarantine"}]
    assert [item["user"]["version"] for item in found.json["items"]] == [1]


@pytest.mark.parametrize("query", ["", "sort=email", "sort=name", "q=jo", "status=active", "email=jo@example.org"])
async def test_lists_have_the_last_good_document_once(client: ASGIConductor, query: str) -> None:
    items = (await client.simulate_get("/users", query_string=query)).json["items"]

    assert [item["version"] for item in items if item["id"] == USER] == [1]


@pytest.mark.parametrize("query", ["status=suspended", "email=second@example.org"])
async def test_lists_do_not_find_what_waits(client: ASGIConductor, query: str) -> None:
    assert (await client.simulate_get("/users", query_string=query)).json["items"] == []


async def test_the_history_tells_all_that_was_accepted(client: ASGIConductor) -> None:
    items = (await client.simulate_get(f"/users/{USER}/history")).json["items"]

    assert [item["event_id"] for item in items] == [event_id(1), event_id(2), event_id(3)]


async def test_after_the_repair_all_is_as_ever(client: ASGIConductor, projector: SmallProjector) -> None:
    projector.append(discard(event_id(2)), NOW)
    projector.project()

    answer = await client.simulate_get(f"/users/{USER}", headers=token(projector, 6))

    assert (answer.status_code, answer.json["version"], answer.json["status"]) == (200, 3, "suspended")
    assert answer.headers["etag"] == '"3"'
    assert "latest-version" not in answer.headers
    listed = (await client.simulate_get("/users", query_string="status=suspended")).json["items"]
    assert [json.dumps(item) for item in listed] == [json.dumps(answer.json)]
