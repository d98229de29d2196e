"""The OpenAPI document and the app that it describes, held against each other."""

import asyncio
import json
from typing import Any

import jsonschema
import pytest
import schemathesis
from falcon.testing import ASGIConductor, StreamedResult
from hypothesis import settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from query_api.app import create_app
from query_api.change_messages import reset
from query_api.changes import CHANGES_PATH
from query_api.description import document
from query_api.description_parts import EXAMPLE_USER
from query_api.settings import QuerySettings
from read_models.feed import FeedEntry, FeedPosition
from tests.histories import record
from tests.sample_events import NOW, registered, suspended, updated
from tests.sse import Message, parse
from tests.unit.query_api.memory_changes import MemoryChanges
from tests.unit.query_api.memory_directory import LOG_ID, MemoryDirectory, make_user
from user_directory_events import Gone
from user_directory_events.public_topics import public_event

DIRECTORY = MemoryDirectory()
for number in range(60):
    DIRECTORY.put(make_user(number))
DIRECTORY.put(Gone(id=make_user(60).id, version=2))
for recorded in record([registered(subject=EXAMPLE_USER["id"]), suspended(subject=EXAMPLE_USER["id"])], [NOW, NOW]):
    DIRECTORY.record(recorded.event, recorded.timestamp)
CHANGES = MemoryChanges()
APP = create_app(QuerySettings(auth="off", access_log=False), DIRECTORY, CHANGES)


async def leaving(scope: Any, receive: Any, send: Any) -> None:
    """Play a client who leaves an answer that has no end after its first piece."""
    asked, gone = False, asyncio.Event()

    async def receive_or_leave() -> Any:
        nonlocal asked
        if asked:
            await gone.wait()
            return {"type": "http.disconnect"}
        asked = True
        return await receive()

    async def send_and_leave(message: Any) -> None:
        await send(message)
        if message.get("more_body"):
            gone.set()

    await (APP(scope, receive_or_leave, send_and_leave) if scope["path"] == CHANGES_PATH else APP(scope, receive, send))


SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", leaving)


@SCHEMA.parametrize()
@settings(max_examples=150, deadline=None)
def test_every_answer_is_as_described(case: "schemathesis.Case[Any]") -> None:
    # Cursors, tokens and addresses are strings of which a schema cannot say all: one that fits it may be refused.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])


def validate_data(data: str) -> None:
    schema = document()["components"]["schemas"]["ChangeMessage"]["properties"]["data"]["contentSchema"]
    jsonschema.validate(json.loads(data), schema)


async def until_told(stream: StreamedResult) -> list[Message]:
    messages: list[Message] = []
    async with asyncio.timeout(10):
        while not any(message.data for message in messages):
            messages += parse(await stream.stream.read() or b"\n\n")
    return messages


def validate(value: object, schema: str) -> None:
    jsonschema.validate(value, {"$ref": f"#/components/schemas/{schema}", "components": document()["components"]})


async def test_documents_are_as_described() -> None:
    async with ASGIConductor(APP) as client:
        user = await client.simulate_get(f"/users/{make_user(7).id}")
        page = await client.simulate_get("/users", query_string="limit=2")
        problem = await client.simulate_get("/users", query_string="limit=0")

        found = await client.simulate_post(
            "/users/lookup", json={"ids": [make_user(7).id, make_user(99).id], "emails": [make_user(7).email, "x@y.z"]}
        )
        history = await client.simulate_get(f"/users/{EXAMPLE_USER['id']}/history")
        export = await client.simulate_get("/users/export")

        async with client.simulate_get_stream("/changes", params={"last_event_id": f"{LOG_ID}.1.1.1"}) as stream:
            change = CHANGES.append(0, FeedEntry("user.updated", EXAMPLE_USER["id"], public_event(updated(fields={}))))
            messages = await until_told(stream)

    message = messages[-1]
    validate({"id": message.id, "event": message.event, "data": message.data}, "ChangeMessage")
    assert message.event == change.entry.type
    validate_data(message.data or "")
    validate(user.json, "User")
    validate(found.json, "LookupResult")
    validate(history.json, "History")
    for line in export.content.splitlines():
        validate(json.loads(line), "User")
    validate(page.json, "Users")
    validate(problem.json, "Problem")
    assert len(page.json["items"]) == len(found.json["items"]) == len(history.json["items"]) == 2
    assert len(export.content.splitlines()) == 61


@pytest.mark.parametrize("schema", ["User", "Users", "UserCount", "History", "Lookup", "LookupResult", "ChangeMessage"])
def test_examples_are_true_to_their_schemas(schema: str) -> None:
    examples = document()["components"]["schemas"][schema]["examples"]

    for example in examples:
        validate(example, schema)
    assert examples


def test_the_data_of_a_message_is_as_described() -> None:
    (example,) = document()["components"]["schemas"]["ChangeMessage"]["examples"]

    validate_data(example["data"])
    validate_data(parse(reset("too-old", FeedPosition(LOG_ID, (1,))))[0].data or "")
    with pytest.raises(jsonschema.ValidationError):
        validate_data('{"id":1}')


async def test_the_examples_of_parameters_are_accepted() -> None:
    example = {
        parameter["name"]: parameter["example"]
        for parameter in document()["paths"]["/users"]["get"]["parameters"]
        if parameter["in"] == "query"
    }
    async with ASGIConductor(APP) as client:
        for name, value in example.items():
            page = await client.simulate_get("/users", params={name: value})
            assert page.status_code == 200, name
            validate(page.json, "Users")
        del example["cursor"]
        everything = await client.simulate_get("/users", params=example)

        lookup = await client.simulate_post(
            "/users/lookup", json=document()["components"]["schemas"]["Lookup"]["examples"][0]
        )
        past = [
            await client.simulate_get(
                path.format(user_id=EXAMPLE_USER["id"]), params={parameter["name"]: parameter["example"]}
            )
            for path in ("/users/{user_id}", "/users/{user_id}/history", "/users/export")
            for parameter in document()["paths"][path]["get"]["parameters"]
            if parameter["in"] == "query" and "example" in parameter
        ]

    assert {answer.status_code for answer in (everything, lookup, *past)} == {200}


def test_every_status_is_described() -> None:
    for path, statuses in {
        "/users/{user_id}": {"200", "304", "400", "404", "406", "410", "414", "431", "500", "503"},
        "/users/{user_id}/history": {"200", "400", "404", "406", "414", "431", "500", "503"},
        "/users/export": {"200", "400", "406", "414", "431", "500", "503"},
        "/users": {"200", "400", "406", "414", "431", "500", "503"},
        "/changes": {"200", "400", "406", "414", "431", "500", "503"},
        "/users/count": {"200", "400", "406", "414", "431", "500", "503"},
    }.items():
        responses = document()["paths"][path]["get"]["responses"]
        assert set(responses) == statuses
    responses = document()["paths"]["/users/lookup"]["post"]["responses"]
    assert set(responses) == {"200", "400", "406", "408", "413", "414", "415", "431", "500", "503"}
