"""What the query API offers, as its OpenAPI document says it."""

from functools import cache
from typing import Annotated, Any, Final

from pydantic import Field

from query_api.changes import CHANGES
from query_api.description_parts import CONSISTENCY, EXAMPLE_USER, FRESHNESS, LATEST_VERSION, USER_ID, VERSION
from query_api.export import EXPORT
from query_api.history import HISTORY
from query_api.list_description import COUNT, LIST
from query_api.lookup import LOOKUP
from query_api.past_parameters import MOST_VERSION
from query_api.users import USER_PATH
from runtime.openapi import Operation, Parameter, Response, build
from user_directory_events import User

OPERATIONS: Final = (
    Operation(
        "GET",
        USER_PATH,
        "getUser",
        "One user by id, as they are or as they were",
        {
            200: Response("The user.", User, {**VERSION, **LATEST_VERSION, **FRESHNESS}, examples=[EXAMPLE_USER]),
            304: Response("The client has this version already.", headers={**VERSION, **FRESHNESS}),
        },
        parameters=(
            USER_ID,
            Parameter(
                "version",
                "query",
                Annotated[int, Field(ge=1, le=MOST_VERSION)],
                "The user as they were at this version; not together with `at`.",
                example=2,
            ),
            Parameter(
                "at",
                "query",
                Annotated[str, Field(json_schema_extra={"format": "date-time"})],
                "The user as they were at this time (RFC 3339), by `recorded_at` of the history; not with `version`.",
                example="2026-11-24T09:31:00+01:00",
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
            "user-in-quarantine",
        ),
        description="Without `version` and `at` the answer is the newest state, or, with `Latest-Version`, the newest "
        "that could be made: events of this user wait for a repair.",
        tags=("users",),
    ),
    HISTORY,
    LOOKUP,
    EXPORT,
    LIST,
    COUNT,
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
