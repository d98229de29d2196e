from typing import Annotated, Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, Field

from runtime.openapi import Header, Operation, Parameter, Response, build
from runtime.problem_types import PROBLEM_TYPES


class _Name(BaseModel):
    given: str | None = None


class _User(BaseModel):
    id: str
    name: _Name
    version: int = 1


class _NewUser(BaseModel):
    email: str
    name: _Name


OPERATIONS = [
    Operation(
        "POST",
        "/users",
        "registerUser",
        "Register a user",
        {201: Response("The user", _User, {"Location": Header("Where the user is")})},
        request={"application/json": _NewUser},
        problems=["value-taken"],
    ),
    Operation(
        "GET",
        "/users/{user_id:uuid}",
        "getUser",
        "Read a user",
        {200: Response("The user", _User), 304: Response("Not modified")},
        parameters=[
            Parameter("user_id", "path", str, "The user's id"),
            Parameter("version", "query", Annotated[int, Field(ge=1)], "A version of the past", example=3),
        ],
        problems=["user-not-found", "user-deleted"],
    ),
    Operation(
        "DELETE",
        "/users/{user_id}",
        "deleteUser",
        "Delete a user",
        {204: Response("Deleted")},
        parameters=[Parameter("user_id", "path", str, "The user's id")],
    ),
]


@pytest.fixture
def document() -> dict[str, Any]:
    return build("User directory", "1.0", OPERATIONS, description="Writes")


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_the_validator_would_notice_a_fault(document: dict[str, Any]) -> None:
    del document["paths"]["/users"]["post"]["responses"]["201"]["description"]
    with pytest.raises(Exception, match="description"):
        OpenAPIV31SpecValidator(document).validate()


def test_paths_carry_no_converters_of_falcon(document: dict[str, Any]) -> None:
    assert list(document["paths"]) == ["/users", "/users/{user_id}"]
    assert set(document["paths"]["/users/{user_id}"]) == {"get", "head", "delete"}


def test_models_are_components(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    post = document["paths"]["/users"]["post"]
    body = post["requestBody"]["content"]["application/json"]["schema"]
    answer = post["responses"]["201"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/_NewUser"}
    assert answer == {"$ref": "#/components/schemas/_User"}
    assert {"_NewUser", "_User", "_Name", "Problem"} <= set(schemas)


def _slugs(operation: dict[str, Any]) -> set[str]:
    described = " ".join(response["description"] for response in operation["responses"].values())
    return {slug for slug in PROBLEM_TYPES if f"`{slug}`" in described}


def test_each_operation_lists_the_problems_it_can_end_in(document: dict[str, Any]) -> None:
    always = {"not-acceptable", "uri-too-long", "headers-too-large", "internal-error", "service-unavailable"}
    body = {"malformed-json", "invalid-request", "body-too-large", "unsupported-media-type", "request-timeout"}
    users, user = document["paths"]["/users"], document["paths"]["/users/{user_id}"]
    assert _slugs(users["post"]) == always | body | {"value-taken"}
    assert _slugs(user["get"]) == always | {"user-not-found", "user-deleted", "invalid-parameter"}
    assert _slugs(user["delete"]) == always


def test_problems_are_described_by_status(document: dict[str, Any]) -> None:
    response = document["paths"]["/users"]["post"]["responses"]["503"]
    assert list(response["content"]) == ["application/problem+json"]
    assert "Retry-After" in response["headers"]


def test_head_answers_as_get_without_content(document: dict[str, Any]) -> None:
    user = document["paths"]["/users/{user_id}"]
    assert set(user["head"]["responses"]) == set(user["get"]["responses"])
    assert not any("content" in response for response in user["head"]["responses"].values())
    assert user["head"]["operationId"] != user["get"]["operationId"]


def test_limits_of_parameters_are_in_the_document(document: dict[str, Any]) -> None:
    _, version = document["paths"]["/users/{user_id}"]["get"]["parameters"]
    assert version["schema"] == {"type": "integer", "minimum": 1}
    assert (version["required"], version["example"]) == (False, 3)
