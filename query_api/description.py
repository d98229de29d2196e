"""What the query API offers, as its OpenAPI document says it."""

from functools import cache
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from query_api.parameters import DEFAULT_LIMIT, MOST_USERS
from query_api.users import USER_PATH, USERS_PATH
from runtime.openapi import Header, Operation, Parameter, Response, build
from user_directory_events import User

_EXAMPLE_USER: Final[dict[str, Any]] = {
    "id": "01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b",
    "email": "jo@example.org",
    "name": {"given": "Jo", "family": "Doe", "formatted": "Jo Doe"},
    "status": "active",
    "attributes": {"team": "north"},
    "created_at": "2026-11-24T08:30:00.123Z",
    "updated_at": "2026-11-24T08:31:07.456Z",
    "version": 2,
}
_EXAMPLE_TOKEN: Final = "01936e09-11aa-7b22-8c33-1d44e55f6677.3-1284"  # noqa: S105 - a token of consistency
_EXAMPLE_CURSOR: Final = "0Y04714rtAIyMDI2LTExLTI0VDA4OjMwOjAwLjEyM1owMTkzNmUwYS03YTNjLTdkMmUtOWY0Yi01YzhkMWUyZjNhNGI"


class Users(BaseModel):
    """One page of users."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_EXAMPLE_USER], "next": None}]})

    items: list[User]
    next: Annotated[str | None, Field(description="`cursor` of the next page; null: nothing follows")]


_CONSISTENCY: Final = (
    Parameter(
        "Consistency-Token",
        "header",
        str,
        "What the client has seen, from earlier answers of both APIs: the answer is not older. Several are separated "
        "by commas. A token of another log is answered 400.",
        example=_EXAMPLE_TOKEN,
    ),
    Parameter(
        "Prefer",
        "header",
        str,
        "`wait=N` (RFC 7240): wait up to N seconds for what `Consistency-Token` asks for, instead of answering "
        "`not-yet-visible` at once.",
        example="wait=5",
    ),
)
_FRESHNESS: Final = {
    "Consistency-Token": Header("How new the answer is; send it with later reads, which are then not older."),
    "Preference-Applied": Header("`wait=N`: the longest wait that `Prefer` was granted."),
}
_VERSION: Final = {"ETag": Header('The user\'s version, quoted: `"3"`.')}

OPERATIONS: Final = (
    Operation(
        "GET",
        USER_PATH,
        "getUser",
        "One user by id",
        {
            200: Response("The user.", User, {**_VERSION, **_FRESHNESS}),
            304: Response("The client has this version already.", headers={**_VERSION, **_FRESHNESS}),
        },
        parameters=(
            Parameter("user_id", "path", UUID, "The user's id: a UUID, in either case.", example=_EXAMPLE_USER["id"]),
            Parameter(
                "If-None-Match",
                "header",
                str,
                "Entity tags that the client has: one of them is answered 304.",
                example='"2"',
            ),
            *_CONSISTENCY,
        ),
        problems=(
            "invalid-parameter",
            "invalid-consistency-token",
            "user-not-found",
            "user-deleted",
            "not-yet-visible",
        ),
        tags=("users",),
    ),
    Operation(
        "GET",
        USERS_PATH,
        "listUsers",
        "Users in the order of their creation, or the one who has an e-mail address",
        {200: Response("One page.", Users, {"Link": Header('The next page, `rel="next"` (RFC 8288).'), **_FRESHNESS})},
        description="A page is taken from one moment. While users come and go, no user is listed twice and none is "
        "left out who was there throughout.",
        parameters=(
            Parameter(
                "email",
                "query",
                Annotated[str, Field(max_length=254, json_schema_extra={"format": "idn-email"})],
                "Only the user who has this address, compared without case; write `+` as `%2B`.",
                example=_EXAMPLE_USER["email"],
            ),
            Parameter(
                "sort",
                "query",
                Annotated[Literal["created_at", "-created_at"], Field(json_schema_extra={"default": "created_at"})],
                "The order: oldest first, or with `-` newest first.",
            ),
            Parameter(
                "limit",
                "query",
                Annotated[int, Field(ge=1, le=MOST_USERS, json_schema_extra={"default": DEFAULT_LIMIT})],
                "Most users of a page.",
            ),
            Parameter(
                "cursor",
                "query",
                str,
                "`next` of the page before, with the same filters and sort.",
                example=_EXAMPLE_CURSOR,
            ),
            *_CONSISTENCY,
        ),
        problems=("invalid-cursor", "invalid-consistency-token", "not-yet-visible"),
        tags=("users",),
    ),
)


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    built = build(
        "user-directory query API",
        "0.1.0",
        OPERATIONS,
        description="The read side: answers from the read models, a moment behind the log. The command API writes.",
    )
    built["components"]["schemas"]["User"]["examples"] = [_EXAMPLE_USER]
    return built
