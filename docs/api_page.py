"""Write docs/api.md from the OpenAPI documents of both APIs: `python -m docs.api_page`."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import command_api.description
import query_api.description
from runtime.problem_types import PROBLEM_TYPES

TARGET: Final = Path(__file__).resolve().parent / "api.md"

_HEAD: Final = """\
# API reference

Every endpoint of both APIs, made from their OpenAPI documents (`python -m docs.api_page`), which the processes serve at
`/openapi.json` and, to try them out, at `/docs`. What the documents mean is told in [data-formats.md](data-formats.md),
what can go wrong in [problem-types.md](problem-types.md).

Both APIs answer `HEAD` wherever `GET`, and serve `/healthz`, `/readyz`, `/metrics`, `/openapi.json` and `/docs`. The
commands are for `make run`, with ids and tokens to be replaced; behind a gateway both APIs have one address.
"""
_BASES: Final = {"command API": "http://127.0.0.1:8001", "query API": "http://127.0.0.1:8002"}
# What a command shows of the query parameters; all of them together would hide what matters.
_SHOWN: Final = {
    "getUserHistory": ("sort", "limit"),
    "exportUsers": ("after",),
    "listUsers": ("q", "status", "sort", "limit"),
    "countUsers": ("q",),
    "followChanges": ("type",),
}
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_EVERYWHERE: Final = ("not-acceptable", "internal-error", "service-unavailable")

Document = Mapping[str, Any]


def generate() -> str:
    """Render the page."""
    documents = {"command API": command_api.description.document(), "query API": query_api.description.document()}
    parts = [_HEAD, "| endpoint | API | what it does |\n| --- | --- | --- |"]
    parts[1] += "".join(
        f"\n| [`{method.upper()} {path}`](#{_anchor(method, path)}) | {api} | {operation['summary']} |"
        for api, document in documents.items()
        for method, path, operation in _operations(document)
    )
    for api, document in documents.items():
        parts.append(f"\n## {api[0].upper()}{api[1:]}\n\n{document['info']['description']}")
        for method, path, operation in _operations(document):
            parts += _section(_BASES[api], method, path, operation)
    parts.append("\n## Documents")
    schemas: dict[str, Any] = {}
    for document in documents.values():
        schemas |= document["components"]["schemas"]
    for name, schema in sorted(schemas.items()):
        parts += _schema_section(name, schema)
    return "\n".join(parts) + "\n"


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield method, path, item[method]


def _anchor(method: str, path: str) -> str:
    kept = "".join(sign for sign in f"{method} {path}".lower() if sign.isalnum() or sign in " _-")
    return kept.replace(" ", "-")


def _section(base: str, method: str, path: str, operation: Document) -> Iterator[str]:
    yield f"\n### `{method.upper()} {path}`\n\n{operation['summary']}."
    if "description" in operation:
        yield f"\n{operation['description']}"
    if parameters := operation.get("parameters"):
        yield "\n| parameter | in | type | meaning |\n| --- | --- | --- | --- |"
        for parameter in parameters:
            name = f"`{parameter['name']}`" + (", required" if parameter["required"] else "")
            kind = _type(parameter["schema"])
            yield f"| {name} | {parameter['in']} | {kind} | {_cell(parameter['description'])} |"
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"\nBody, `{media_type}`: {_type(content['schema'])}"
    yield "\n| answer | body | headers | meaning |\n| --- | --- | --- | --- |"
    problems: list[str] = []
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if problem := content.get("application/problem+json"):
            problems += problem["examples"]
            continue
        body = ", ".join(f"{_type(one['schema'])} as `{kind}`" for kind, one in content.items()) or "none"
        headers = ", ".join(f"`{name}`" for name in response.get("headers", {}))
        yield f"| {status} | {body} | {headers} | {_cell(response['description'])} |"
    own = [slug for slug in problems if slug not in _EVERYWHERE]
    listed = ", ".join(f"{PROBLEM_TYPES[slug].status} `{slug}`" for slug in own)
    yield f"\nProblems: {listed}{', ' if own else ''}and those of every endpoint: " + ", ".join(
        f"{PROBLEM_TYPES[slug].status} `{slug}`" for slug in _EVERYWHERE
    )
    yield f"\n```sh\n{_curl(base, method, path, operation)}\n```"
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            if media_type != "application/problem+json":
                yield f"\n{status}:\n\n```json\n" + "\n".join(map(_json, _examples(content))) + "\n```"


def _curl(base: str, method: str, path: str, operation: Document) -> str:
    query = []
    for parameter in operation.get("parameters", []):
        value = str(parameter.get("example", ""))
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
        elif parameter["name"] in _SHOWN.get(operation["operationId"], ()):
            query.append(f"{parameter['name']}={quote(value, safe=':,')}")
    words = ["curl", "-N" if operation["operationId"] == "followChanges" else "-i"]
    if method not in ("get", "post"):
        words += ["-X", method.upper()]
    elif method == "post" and "requestBody" not in operation:
        words += ["-X", "POST"]
    words.append(shlex.quote(base + path + ("?" + "&".join(query) if query else "")))
    media_type, content = next(iter(operation.get("requestBody", {}).get("content", {}).items()), (None, {}))
    if media_type is None:
        return " ".join(words)
    words += ["-H", shlex.quote(f"Content-Type: {media_type}")]
    (example, *_) = _examples(content)
    if isinstance(example, str):
        return " ".join(words) + " --data-binary @- <<'END'\n" + example + "END"
    return " ".join(words) + " \\\n  -d " + shlex.quote(_json(example))


def _examples(content: Document) -> list[Any]:
    if "example" in content:
        return [content["example"]]
    return [example["value"] for example in content["examples"].values()]


def _schema_section(name: str, schema: Document) -> Iterator[str]:
    yield f"\n### {name}\n\n{schema.get('description', '')}".rstrip()
    if "properties" not in schema:
        yield f"\nIt is {_type(schema)}."
        return
    yield "\n| field | type | meaning |\n| --- | --- | --- |"
    for field, of_field in schema["properties"].items():
        required = ", required" if field in schema.get("required", ()) else ""
        yield f"| `{field}`{required} | {_type(of_field)} | {_cell(of_field.get('description', ''))} |"


def _type(schema: Document) -> str:
    """Describe a type in a few words, with its limits."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[several]))
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return "array of " + _type(schema["items"]) + _limits(schema)
    return f"{kind}{_limits(schema)}"


_LIMITS: Final = {
    "format": "{}",
    "minimum": "from {}",
    "maximum": "to {}",
    "minLength": "at least {} long",
    "maxLength": "at most {} long",
    "maxItems": "at most {}",
    "default": "else {}",
}


def _limits(schema: Document) -> str:
    found = [text.format(schema[name]) for name, text in _LIMITS.items() if schema.get(name) not in (None, [], {})]
    return f" ({', '.join(found)})" if found else ""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    TARGET.write_text(generate(), encoding="utf-8")
