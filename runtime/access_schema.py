"""What the OpenAPI document of a service says about tokens, where these are asked for."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from runtime.access_table import MEANINGS, scope_of
from runtime.problem_types import PROBLEM_TYPES
from runtime.problems import MEDIA_TYPE

_SCHEME: Final = "bearer"
_PROBLEMS: Final = {
    400: ("authorization-repeated",),
    401: ("token-required", "invalid-token"),
    403: ("insufficient-scope",),
}


def secured(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with the scheme, each operation's scope, and the answers of those who are not let in."""
    made: dict[str, Any] = deepcopy(dict(document))
    scopes = "; ".join(f"`{name}`: {meaning}" for name, meaning in MEANINGS.items())
    made.setdefault("components", {})["securitySchemes"] = {
        _SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": f"A signed access token. Its `scope` has the operation's scope among its words. {scopes}.",
        }
    }
    for path, operations in made.get("paths", {}).items():
        for method, operation in operations.items():
            scope = scope_of(method.upper(), path)
            operation["security"] = [{_SCHEME: [scope] if scope else []}]
            answers = operation["responses"]
            answers.setdefault("400", _response(400))
            answers |= {str(status): _response(status) for status in (401, 403)}
            operation["responses"] = dict(sorted(answers.items()))
            if method == "head":
                for answer in answers.values():
                    answer.pop("content", None)
    return made


def _response(status: int) -> dict[str, Any]:
    slugs = _PROBLEMS[status]
    return {
        "description": " / ".join(f"{PROBLEM_TYPES[slug].title} (`{slug}`)" for slug in slugs),
        "headers": {"WWW-Authenticate": {"description": "What is missing (RFC 6750).", "schema": {"type": "string"}}},
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
