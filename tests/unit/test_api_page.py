"""docs/api.md, and the examples that it shows."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

import command_api.description
import query_api.description
from docs import api_page

DOCUMENTS = {"command API": command_api.description.document(), "query API": query_api.description.document()}
OPERATIONS = [
    pytest.param(document, operation, id=operation["operationId"])
    for document in DOCUMENTS.values()
    for item in document["paths"].values()
    for operation in item.values()
]


def test_the_page_is_current() -> None:
    assert api_page.TARGET.read_text(encoding="utf-8") == api_page.generate(), "run: python -m docs.api_page"


def test_the_page_has_a_section_with_a_command_for_every_endpoint() -> None:
    sections = {
        section.partition("\n")[0]: section for section in api_page.generate().split("\n### ") if "```sh" in section
    }
    expected = {
        f"`{method.upper()} {path}`"
        for document in DOCUMENTS.values()
        for path, item in document["paths"].items()
        for method in item
        if method != "head"
    }
    assert sections.keys() == expected
    for heading, section in sections.items():
        assert section.count("\ncurl -") == 1, heading
        assert "{user_id}" not in section.partition("```sh")[2].partition("```")[0]


def validate(document: dict[str, Any], value: object, schema: dict[str, Any]) -> None:
    jsonschema.validate(value, schema | {"components": document["components"]})


def examples(content: dict[str, Any]) -> list[Any]:
    return [content["example"]] if "example" in content else [one["value"] for one in content["examples"].values()]


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for response in operation["responses"].values():
        yield from response.get("content", {}).values()


@pytest.mark.parametrize(("document", "operation"), OPERATIONS)
def test_every_body_has_examples_that_are_what_its_schema_says(
    document: dict[str, Any], operation: dict[str, Any]
) -> None:
    for content in contents(operation):
        shown = examples(content)
        assert shown
        for example in shown:
            validate(document, example, content["schema"])


@pytest.mark.parametrize(("document", "operation"), OPERATIONS)
def test_every_parameter_has_an_example_that_it_allows(document: dict[str, Any], operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        validate(document, parameter["example"], parameter["schema"])


def test_a_wrong_example_would_be_noticed() -> None:
    document = DOCUMENTS["command API"]
    content = document["paths"]["/users"]["post"]["requestBody"]["content"]["application/json"]
    with pytest.raises(jsonschema.ValidationError):
        validate(document, {**content["example"], "nick": "Jo"}, content["schema"])
