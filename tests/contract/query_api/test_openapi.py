"""The OpenAPI document and the app that it describes, held against each other."""

from typing import Any

import jsonschema
import pytest
import schemathesis
from falcon.testing import ASGIConductor
from hypothesis import settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from query_api.app import create_app
from query_api.description import document
from query_api.settings import QuerySettings
from tests.unit.query_api.memory_directory import MemoryDirectory, make_user
from user_directory_events import Gone

DIRECTORY = MemoryDirectory()
for number in range(60):
    DIRECTORY.put(make_user(number))
DIRECTORY.put(Gone(id=make_user(60).id, version=2))
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

    validate(user.json, "User")
    validate(page.json, "Users")
    validate(problem.json, "Problem")
    assert len(page.json["items"]) == 2


@pytest.mark.parametrize("schema", ["User", "Users"])
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

    assert (page.status_code, user.status_code) == (200, 200)


def test_every_status_is_described() -> None:
    for path, statuses in {
        "/users/{user_id}": {"200", "304", "400", "404", "406", "410", "500", "503"},
        "/users": {"200", "400", "406", "500", "503"},
    }.items():
        responses = document()["paths"][path]["get"]["responses"]
        assert set(responses) == statuses
