"""`GET /changes` over HTTP, on accepted events in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from falcon.testing import ASGIConductor, StreamedResult

from query_api.app import create_app
from query_api.settings import QuerySettings
from tests.sample_events import user_id
from tests.sse import Message, parse
from tests.unit.query_api.memory_changes import MemoryChanges, entry_of
from tests.unit.query_api.memory_directory import LOG_ID, MemoryDirectory

OTHER_LOG = LOG_ID.replace("1", "2")
PROBLEM = "urn:user-directory:problem:"


@pytest.fixture
def changes() -> MemoryChanges:
    return MemoryChanges()


def app_of(changes: MemoryChanges, **settings: Any) -> ASGIConductor:
    return ASGIConductor(
        create_app(QuerySettings(auth="off", access_log=False, **settings), MemoryDirectory(), changes)
    )


@pytest.fixture
async def client(changes: MemoryChanges) -> AsyncIterator[ASGIConductor]:
    async with app_of(changes) as conductor:
        yield conductor


async def read(answer: StreamedResult, enough: Callable[[list[Message]], bool]) -> list[Message]:
    """Read messages until they are enough."""
    messages: list[Message] = []
    async with asyncio.timeout(10):
        while not enough(messages):
            if content := await answer.stream.read():
                messages += parse(content)
    return messages


def events(messages: list[Message]) -> list[Message]:
    return [message for message in messages if message.data is not None]


async def test_changes_come_as_server_sent_events(client: ASGIConductor, changes: MemoryChanges) -> None:
    async with client.simulate_get_stream("/changes", headers={"Accept": "text/event-stream"}) as answer:
        (hello,) = await read(answer, bool)
        change = changes.append(2)
        (message,) = await read(answer, bool)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]
    assert hello.id == f"{LOG_ID}.1.1.1"
    assert 500 <= (hello.retry or 0) <= 2500
    assert (message.id, message.event) == (f"{LOG_ID}.1.1.2", change.entry.type)
    assert json.loads(message.data or "") == json.loads(change.entry.event)


@pytest.mark.parametrize("accept", ["*/*", "text/*", "text/event-stream, application/json;q=0.5", None])
async def test_whoever_takes_event_streams_is_served(client: ASGIConductor, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    async with client.simulate_get_stream("/changes", headers=headers) as answer:
        assert answer.status_code == 200
        await read(answer, bool)


@pytest.mark.parametrize("accept", ["application/json", "text/html", "text/plain, application/problem+json"])
async def test_whoever_does_not_is_told_that_there_is_nothing_else(client: ASGIConductor, accept: str) -> None:
    answer = await client.simulate_get("/changes", headers={"Accept": accept})

    assert (answer.status_code, answer.json["type"]) == (406, PROBLEM + "not-acceptable")
    assert "text/event-stream" in answer.json["detail"]


async def test_a_client_goes_on_behind_its_last_event(client: ASGIConductor, changes: MemoryChanges) -> None:
    appended = [changes.append(number % 2) for number in range(4)]
    headers = {"Last-Event-ID": f"{LOG_ID}.2.1.1"}

    for query, sent in (("", headers), (f"last_event_id={headers['Last-Event-ID']}", {})):
        async with client.simulate_get_stream("/changes", query_string=query, headers=sent) as answer:
            messages = await read(answer, lambda messages: len(events(messages)) == 3)
        assert {message.data for message in events(messages)} == {c.entry.event.decode() for c in appended[1:]}


async def test_the_header_wins_over_the_query(client: ASGIConductor, changes: MemoryChanges) -> None:
    changes.append()
    query, headers = f"last_event_id={LOG_ID}.1.1.1", {"Last-Event-ID": f"{LOG_ID}.2.1.1"}
    async with client.simulate_get_stream("/changes", query_string=query, headers=headers) as answer:
        messages = await read(answer, bool)
        changes.append()
        messages += await read(answer, bool)

    assert [message.id for message in events(messages)] == [f"{LOG_ID}.3.1.1"]


async def test_an_empty_last_event_id_is_none(client: ASGIConductor, changes: MemoryChanges) -> None:
    async with client.simulate_get_stream("/changes", headers={"Last-Event-ID": ""}) as answer:
        (hello,) = await read(answer, bool)
    assert hello.id == f"{LOG_ID}.1.1.1"


async def test_a_client_of_another_log_is_told_to_load_again(client: ASGIConductor, changes: MemoryChanges) -> None:
    headers = {"Last-Event-ID": f"{OTHER_LOG}.1.1.1"}
    async with client.simulate_get_stream("/changes", headers=headers) as answer:
        messages = await read(answer, lambda messages: bool(events(messages)))

    (reset,) = events(messages)
    assert (reset.event, reset.id) == ("reset", f"{LOG_ID}.1.1.1")
    assert json.loads(reset.data or "")["reason"] == "other-log"
    assert "Load the users again" in json.loads(reset.data or "")["detail"]


async def test_filters_are_given_in_the_query(client: ASGIConductor, changes: MemoryChanges) -> None:
    query = f"type=user.deleted,user.updated&user={user_id(2).upper()}"
    async with client.simulate_get_stream("/changes", query_string=query) as answer:
        await read(answer, bool)
        wanted = [
            changes.append(0, entry_of(3 * number + at, kind=kind, user=number))
            for number in (1, 2)
            for at, kind in enumerate(("user.registered", "user.updated", "user.deleted"))
        ][4:]
        messages = await read(answer, lambda messages: len(events(messages)) == 2)

    assert [message.data for message in events(messages)] == [change.entry.event.decode() for change in wanted]


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("type=user.renamed", ["type"]),
        ("type=", ["type"]),
        ("type=user.updated,", ["type"]),
        ("type=user.updated&type=user.deleted", ["type"]),
        ("user=1", ["user"]),
        ("kind=user.updated&user=x", ["kind", "user"]),
    ],
)
async def test_faults_of_the_query_are_all_told(client: ASGIConductor, query: str, parameters: list[str]) -> None:
    for answer in (
        await client.simulate_get("/changes", query_string=query),
        await client.simulate_head("/changes", query_string=query),
    ):
        assert answer.status_code == 400
    answer = await client.simulate_get("/changes", query_string=query)
    assert answer.json["type"] == PROBLEM + "invalid-parameter"
    assert [error["parameter"] for error in answer.json["errors"]] == parameters


@pytest.mark.parametrize("text", ["7", f"{LOG_ID}.0-1", f"{LOG_ID}.1.x", "x" * 5000])
async def test_an_event_id_of_somebody_else_is_refused(client: ASGIConductor, text: str) -> None:
    for answer in (
        await client.simulate_get("/changes", headers={"Last-Event-ID": text}),
        await client.simulate_get("/changes", params={"last_event_id": text}),
    ):
        assert (answer.status_code, answer.json["type"]) == (400, PROBLEM + "invalid-event-id")
        assert answer.json["errors"][0]["parameter"] == "Last-Event-ID"


async def test_head_has_the_headers_and_takes_no_place(changes: MemoryChanges) -> None:
    async with app_of(changes, max_change_feed_clients=1) as client:
        for _ in range(3):
            answer = await client.simulate_head("/changes")
            assert (answer.status_code, answer.content) == (200, b"")
            assert answer.headers["content-type"] == "text/event-stream"


async def test_a_client_that_is_one_too_many_is_told_when_to_try_again(changes: MemoryChanges) -> None:
    async with app_of(changes, max_change_feed_clients=1) as client:
        async with client.simulate_get_stream("/changes") as answer:
            await read(answer, bool)
            refused = await client.simulate_get("/changes")
        # The first has left.
        async with client.simulate_get_stream("/changes") as answer:
            await read(answer, bool)

    assert (refused.status_code, refused.json["type"]) == (503, PROBLEM + "service-unavailable")
    assert int(refused.headers["retry-after"]) > 0


async def test_without_redis_a_new_client_is_refused(client: ASGIConductor, changes: MemoryChanges) -> None:
    changes.unavailable = True

    answer = await client.simulate_get("/changes")

    assert (answer.status_code, answer.json["type"]) == (503, PROBLEM + "service-unavailable")


async def test_heartbeats_come_as_often_as_is_set(changes: MemoryChanges) -> None:
    async with (
        app_of(changes, change_feed_heartbeat_seconds=0.05) as client,
        client.simulate_get_stream("/changes") as answer,
    ):
        messages = await read(answer, lambda messages: len(messages) > 3)

    assert [message.comment for message in messages[:4]] == ["connected", "heartbeat", "heartbeat", "heartbeat"]
    assert {message.id for message in messages} == {f"{LOG_ID}.1.1.1"}
