"""The OpenAPI 3.1 document of a service, made from its operations and from the models that validate its bodies."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from runtime.problem_types import PROBLEM_TYPES, TYPE_PREFIX
from runtime.problems import MEDIA_TYPE as PROBLEM_MEDIA_TYPE

JSON: Final = "application/json"
_REF_TEMPLATE: Final = "#/components/schemas/{model}"
_ALWAYS: Final = ("not-acceptable", "uri-too-long", "headers-too-large", "internal-error", "service-unavailable")
_WITH_BODY: Final = ("malformed-json", "invalid-request", "body-too-large", "unsupported-media-type", "request-timeout")
_EXAMPLE_INSTANCE: Final = "urn:user-directory:request:01936e0b-8a10-7d0e-b1c2-6a5b4c3d2e1f"
_CONVERTER: Final = re.compile(r"{(\w+):[^}]*}")

Schemas = Mapping[tuple[Any, JsonSchemaMode], Mapping[str, Any]]

_PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": f"`{TYPE_PREFIX}` and the kind of the problem; stable."},
        "title": {"type": "string", "description": "The same for every problem of the type."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What is wrong with this request."},
        "instance": {"type": "string", "description": "Names the request by its `X-Request-ID`."},
        "errors": {
            "type": "array",
            "description": "One entry for each fault.",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "Place in the body: a JSON pointer (RFC 6901)."},
                    "parameter": {"type": "string", "description": "Name of a query or path parameter."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter; `annotation` is a Python type, with pydantic's `Field` for its limits."""

    name: str
    place: Literal["path", "query", "header"]
    annotation: Any
    description: str
    required: bool = False
    example: Any = None


@dataclass(frozen=True, slots=True)
class Header:
    """A header of a response."""

    description: str
    annotation: Any = str


@dataclass(frozen=True, slots=True)
class Response:
    """One answer that is not a problem; without a model it has no body, without examples those of its model."""

    description: str
    model: type[BaseModel] | None = None
    headers: Mapping[str, Header] = field(default_factory=dict)
    media_type: str = JSON
    examples: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, the path as it is given to Falcon.

    `request` maps media types to models. `problems` lists the problem types beyond those that every operation, or
    every one with a body, can end in.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    operation_id: str
    summary: str
    responses: Mapping[int, Response]
    description: str = ""
    parameters: Sequence[Parameter] = ()
    request: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    problems: Sequence[str] = ()
    tags: Sequence[str] = ()


def build(title: str, version: str, operations: Sequence[Operation], description: str = "") -> dict[str, Any]:
    """Build the document; HEAD is described beside every GET."""
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {}
    for operation in operations:
        models.update(dict.fromkeys((model, "validation") for model in operation.request.values()))
        answers = (response.model for response in operation.responses.values() if response.model is not None)
        models.update(dict.fromkeys((model, "serialization") for model in answers))
    schemas, definitions = models_json_schema(list(models), ref_template=_REF_TEMPLATE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = paths.setdefault(_CONVERTER.sub(r"{\1}", operation.path), {})
        path[operation.method.lower()] = _operation(operation, schemas)
        if operation.method == "GET":
            path["head"] = _head(path["get"])
    info = {"title": title, "version": version} | ({"description": description} if description else {})
    components = {"Problem": _PROBLEM_SCHEMA, **definitions.get("$defs", {})}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": components}}


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    responses = {
        str(status): _response(response, schemas) for status, response in operation.responses.items()
    } | _problem_responses(operation)
    document: dict[str, Any] = {"operationId": operation.operation_id, "summary": operation.summary}
    if operation.description:
        document["description"] = operation.description
    if operation.tags:
        document["tags"] = list(operation.tags)
    if operation.parameters:
        document["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.request:
        content = {
            media_type: _content(schemas[model, "validation"], _examples(model))
            for media_type, model in operation.request.items()
        }
        document["requestBody"] = {"required": True, "content": content}
    document["responses"] = dict(sorted(responses.items()))
    return document


def _head(get: Mapping[str, Any]) -> dict[str, Any]:
    responses = {
        status: {name: value for name, value in response.items() if name != "content"}
        for status, response in get["responses"].items()
    }
    return {
        **get,
        "operationId": f"{get['operationId']}Head",
        "summary": f"{get['summary']} (headers only)",
        "responses": responses,
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    document = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required or parameter.place == "path",
        "description": parameter.description,
        "schema": _schema(parameter.annotation),
    }
    if parameter.example is not None:
        document["example"] = parameter.example
    return document


def _response(response: Response, schemas: Schemas) -> dict[str, Any]:
    document: dict[str, Any] = {"description": response.description}
    if response.headers:
        document["headers"] = {
            name: {"description": header.description, "schema": _schema(header.annotation)}
            for name, header in response.headers.items()
        }
    if response.model is not None:
        examples = response.examples or _examples(response.model)
        document["content"] = {response.media_type: _content(schemas[response.model, "serialization"], examples)}
    return document


def _content(schema: Mapping[str, Any], examples: Sequence[Any]) -> dict[str, Any]:
    if len(examples) > 1:
        named = {f"example {number}": {"value": example} for number, example in enumerate(examples, 1)}
        return {"schema": dict(schema), "examples": named}
    return {"schema": dict(schema)} | ({"example": examples[0]} if examples else {})


def _examples(model: type[BaseModel]) -> Sequence[Any]:
    extra = model.model_config.get("json_schema_extra")
    examples = extra.get("examples") if isinstance(extra, Mapping) else None
    return examples if isinstance(examples, Sequence) else ()


def _problem_responses(operation: Operation) -> dict[str, Any]:
    slugs = dict.fromkeys((*operation.problems, *_ALWAYS, *(_WITH_BODY if operation.request else ())))
    if any(parameter.place == "query" for parameter in operation.parameters):
        slugs["invalid-parameter"] = None
    kinds: dict[int, list[str]] = {}
    for slug in slugs:
        kinds.setdefault(PROBLEM_TYPES[slug].status, []).append(slug)
    return {str(status): _problem_response(slugs) for status, slugs in kinds.items()}


def _problem_response(slugs: Sequence[str]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "description": " / ".join(f"{PROBLEM_TYPES[slug].title} (`{slug}`)" for slug in slugs),
        "content": {
            PROBLEM_MEDIA_TYPE: {
                "schema": {"$ref": _REF_TEMPLATE.format(model="Problem")},
                "examples": {slug: {"value": _example_problem(slug)} for slug in slugs},
            }
        },
    }
    if any(PROBLEM_TYPES[slug].retry_after is not None for slug in slugs):
        document["headers"] = {
            "Retry-After": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}}
        }
    return document


def _example_problem(slug: str) -> dict[str, Any]:
    kind = PROBLEM_TYPES[slug]
    return {"type": kind.uri, "title": kind.title, "status": kind.status, "instance": _EXAMPLE_INSTANCE}


def _schema(annotation: Any) -> dict[str, Any]:
    return TypeAdapter(annotation).json_schema(ref_template=_REF_TEMPLATE)
