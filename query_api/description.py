"""What the query API offers, as its OpenAPI document says it."""

from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from query_api.changes import CHANGES
from query_api.description_parts import CONSISTENCY, EXAMPLE_USER, FRESHNESS, LINK, USER_ID, VERSION
from query_api.export import EXPORT
from query_api.history import HISTORY
from query_api.lookup import LOOKUP
from query_api.parameters import DEFAULT_LIMIT, MOST_USERS
from query_api.past_parameters import MOST_VERSION
from query_api.users import USER_PATH, USERS_PATH
from runtime.openapi import Operation, Parameter, Response, build
from user_directory_events import User

_EXAMPLE_CURSOR: Final = "0Y04714rtAIyMDI2LTExLTI0VDA4OjMwOjAwLjEyM1owMTkzNmUwYS03YTNjLTdkMmUtOWY0Yi01YzhkMWUyZjNhNGI"


class Users(BaseModel):
    """One page of users."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_USER], "next": None}]})

    items: list[User]
    next: Annotated[str | None, Field(description="`cursor` of the next page; null: nothing follows")]


OPERATIONS: Final = (
    Operation(
        "GET",
        USER_PATH,
        "getUser",
        "One user by id, as they are or as they were",
        {
            200: Response("The user.", User, {**VERSION, **FRESHNESS}),
            304: Response("The client has this version already.", headers={**VERSION, **FRESHNESS}),
        },
        parameters=(
            USER_ID,
            Parameter(
                "version",
                "query",
                Annotated[int, Field(ge=1, le=MOST_VERSION)],
                "The user as they were at this version; not together with `at`.",
            ),
            Parameter(
                "at",
                "query",
                Annotated[str, Field(json_schema_extra={"format": "date-time"})],
                "The user as they were at this time (RFC 3339), by `recorded_at` of the history.",
            ),
            Parameter(
                "If-None-Match",
                "header",
                str,
                "Entity tags that the client has: one of them is answered 304.",
                example='"2"',
            ),
            *CONSISTENCY,
        ),
        problems=(
            "invalid-parameter",
            "invalid-consistency-token",
            "user-not-found",
            "user-version-not-found",
            "user-deleted",
            "not-yet-visible",
        ),
        description="Without `version` and `at` the answer is the newest state.",
        tags=("users",),
    ),
    HISTORY,
    LOOKUP,
    EXPORT,
    Operation(
        "GET",
        USERS_PATH,
        "listUsers",
        "Users in the order of their creation, or the one who has an e-mail address",
        {200: Response("One page.", Users, {**LINK, **FRESHNESS})},
        description="A page is taken from one moment. While users come and go, no user is listed twice and none is "
        "left out who was there throughout.",
        parameters=(
            Parameter(
                "email",
                "query",
                Annotated[str, Field(max_length=254, json_schema_extra={"format": "idn-email"})],
                "Only the user who has this address, compared without case; write `+` as `%2B`.",
                example=EXAMPLE_USER["email"],
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
            *CONSISTENCY,
        ),
        problems=("invalid-cursor", "invalid-consistency-token", "not-yet-visible"),
        tags=("users",),
    ),
    CHANGES,
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
    built["components"]["schemas"]["User"]["examples"] = [EXAMPLE_USER]
    return built
