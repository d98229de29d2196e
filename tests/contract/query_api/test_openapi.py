"""The OpenAPI document and the app that it describes, held against each other."""

import json
from typing import Any

import jsonschema
import pytest
import schemathesis
from falcon.testing import ASGIConductor
from hypothesis import settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from query_api.app import create_app
from query_api.description import document
from query_api.description_parts import EXAMPLE_USER
from query_api.settings import QuerySettings
from tests.histories import record
from tests.sample_events import NOW, registered, suspended
from tests.unit.query_api.memory_directory import MemoryDirectory, make_user
from user_directory_events import Gone

DIRECTORY = MemoryDirectory()
for number in range(60):
    DIRECTORY.put(make_user(number))
DIRECTORY.put(Gone(id=make_user(60).id, version=2))
for recorded in record([registered(subject=EXAMPLE_USER["id"]), suspended(subject=EXAMPLE_USER["id"])], [NOW, NOW]):
    DIRECTORY.record(recorded.event, recorded.timestamp)
APP = create_app(QuerySettings(access_log=False), DIRECTORY)
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", APP)


@SCHEMA.parametrize()
@settings(max_examples=150, deadline=None)
def test_every_answer_is_as_described(case: "schemathesis.Case[Any]") -> None:
    # Cursors, tokens and addresses are strings of which a schema cannot say all: one that fits it may be refused.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])


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

    validate(user.json, "User")
    validate(found.json, "LookupResult")
    validate(history.json, "History")
    for line in export.content.splitlines():
        validate(json.loads(line), "User")
    validate(page.json, "Users")
    validate(problem.json, "Problem")
    assert len(page.json["items"]) == len(found.json["items"]) == len(history.json["items"]) == 2
    assert len(export.content.splitlines()) == 61


@pytest.mark.parametrize("schema", ["User", "Users", "History", "Lookup", "LookupResult"])
def test_examples_are_true_to_their_schemas(schema: str) -> None:
    examples = document()["components"]["schemas"][schema]["examples"]

    for example in examples:
        validate(example, schema)
    assert examples


async def test_the_examples_of_parameters_are_accepted() -> None:
    example = {
        parameter["name"]: parameter["example"]
        for parameter in document()["paths"]["/users"]["get"]["parameters"]
        if "example" in parameter
    }
    async with ASGIConductor(APP) as client:
        page = await client.simulate_get("/users", params={"cursor": example["cursor"]})
        user = await client.simulate_get("/users", params={"email": example["email"]})

        lookup = await client.simulate_post(
            "/users/lookup", json=document()["components"]["schemas"]["Lookup"]["examples"][0]
        )
        past = [
            await client.simulate_get(
                path.format(user_id=EXAMPLE_USER["id"]),
                params={
                    parameter["name"]: parameter["example"]
                    for parameter in document()["paths"][path]["get"]["parameters"]
                    if parameter["in"] == "query" and "example" in parameter
                },
            )
            for path in ("/users/{user_id}", "/users/{user_id}/history", "/users/export")
        ]

    assert {answer.status_code for answer in (page, user, lookup, *past)} == {200}


def test_every_status_is_described() -> None:
    for path, statuses in {
        "/users/{user_id}": {"200", "304", "400", "404", "406", "410", "500", "503"},
        "/users/{user_id}/history": {"200", "400", "404", "406", "500", "503"},
        "/users/export": {"200", "400", "406", "500", "503"},
        "/users": {"200", "400", "406", "500", "503"},
    }.items():
        responses = document()["paths"][path]["get"]["responses"]
        assert set(responses) == statuses
    responses = document()["paths"]["/users/lookup"]["post"]["responses"]
    assert set(responses) == {"200", "400", "406", "413", "415", "500", "503"}
