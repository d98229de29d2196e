"""The OpenAPI description of the command API."""

from functools import cache
from typing import Annotated, Any

from pydantic import Field

from command_api.examples import EXAMPLE_USER, EXAMPLE_WRITE_TOKEN, PATCHED_USER, REPLACED_USER, SUSPENDED_USER
from command_api.import_resource import (
    IMPORT_PATH,
    MOST_FIRST_ROW,
    RESULT_TYPE,
    ImportedRow,
    UserLines,
    UserRows,
)
from command_api.requests import UserBody, UserPatch
from command_api.responses import PendingWrite, WriteOutcome
from runtime.openapi import Header, Operation, Parameter, Response, build
from user_directory_events import User

_UserId = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
_USER_ID = Parameter("user_id", "path", _UserId, "The user's id, a UUID (RFC 9562)", example=EXAMPLE_USER["id"])
_WRITE_TOKEN = Parameter(
    "write_token", "path", str, "The last segment of the `Location` of a 202", example=EXAMPLE_WRITE_TOKEN
)
_IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "header",
    Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")],
    "A name for this very request, chosen by the client: repeated within 24 hours it has the first one's outcome",
    example="registration-of-jo",
)
_IF_MATCH = Parameter("If-Match", "header", str, "The write happens only at one of these versions", example='"3"')
_IF_NONE_MATCH = Parameter(
    "If-None-Match", "header", str, "`*`: register a user under this id, which was never used", example="*"
)

_TOKEN = Header("Send it with a read to see at least this state")
_ETAG = Header("The user's version, quoted")
_LOCATION = Header("Where the user can be read")
_PENDING = Response(
    "The write was sent, and its outcome is not known yet; read it at `Location`",
    PendingWrite,
    {
        "Location": Header("Where the outcome can be read"),
        "Retry-After": Header("Seconds", int),
        "Consistency-Token": _TOKEN,
    },
)
_WRITTEN = {"ETag": _ETAG, "Consistency-Token": _TOKEN}
_WRITE_PROBLEMS = ("idempotency-key-invalid", "idempotency-key-reused")
_EXISTING = (
    "user-not-found",
    "user-deleted",
    "version-mismatch",
    "precondition-invalid",
    "invalid-parameter",
    "user-in-quarantine",
)
_JSON = {"application/json": UserBody}
_PATCH = {"application/merge-patch+json": UserPatch, "application/json": UserPatch}


def _suspension(name: str, summary: str, example: Any) -> Operation:
    return Operation(
        "POST",
        f"/users/{{user_id}}/{name}",
        f"{name}User",
        summary,
        {200: Response("The user, who may have been so before", User, _WRITTEN, examples=[example]), 202: _PENDING},
        parameters=(_USER_ID, _IF_MATCH, _IDEMPOTENCY_KEY),
        problems=(*_EXISTING, *_WRITE_PROBLEMS),
        tags=("users",),
    )


_IMPORT = """One user a line (NDJSON: what `POST /users` takes) or a row (CSV: the first row names the columns, out of
`email`, `given`, `family`, `formatted`, `display_name`, `external_id` and `attributes`, which holds JSON; an empty cell
says nothing). The answer has one line for each, in their order, and comes while the rest of the body is still being
read: take it while you send. A row that cannot be registered keeps no other from it.

With an `Idempotency-Key` each row has a key of its own, made of that and the row's number: posted again, or from
`first_row` on, each row has the first outcome. If the service cannot go on, rows in hand have their lines, and a last
line without `row` says why and which `next_row` was not read."""

_ERASE = """Whatever the directory knows of the person is taken out of the read models at once, and out of the log as
soon as it is compacted; also of a user who was deleted before. The id stays taken. Whether anything is left can be
verified: see docs/privacy.md."""

OPERATIONS = (
    Operation(
        "POST",
        "/users",
        "registerUser",
        "Register a user",
        {
            201: Response(
                "The user: stored for good, visible to readers, unique",
                User,
                {"Location": _LOCATION, **_WRITTEN},
                examples=[EXAMPLE_USER],
            ),
            202: _PENDING,
        },
        parameters=(_IDEMPOTENCY_KEY,),
        request=_JSON,
        # Gone is the user of the first outcome under the idempotency key, if erased since then.
        problems=("value-taken", "user-deleted", *_WRITE_PROBLEMS),
        tags=("users",),
    ),
    Operation(
        "POST",
        IMPORT_PATH,
        "importUsers",
        "Register the users of a file",
        {200: Response("One line for each row", ImportedRow, media_type=RESULT_TYPE)},
        description=_IMPORT,
        parameters=(
            Parameter(
                "first_row",
                "query",
                Annotated[int, Field(ge=1, le=MOST_FIRST_ROW)],
                "The number of the body's first row, where an import is gone on with",
                example=1,
            ),
            _IDEMPOTENCY_KEY,
        ),
        request={"application/x-ndjson": UserLines, "text/csv": UserRows},
        problems=("malformed-csv", "idempotency-key-invalid"),
        tags=("users",),
    ),
    Operation(
        "PATCH",
        "/users/{user_id}",
        "updateUser",
        "Change some fields",
        {200: Response("The user after the change", User, _WRITTEN, examples=[PATCHED_USER]), 202: _PENDING},
        description="A JSON Merge Patch (RFC 7396). A patch that changes nothing makes no new version.",
        parameters=(_USER_ID, _IF_MATCH, _IDEMPOTENCY_KEY),
        request=_PATCH,
        problems=("value-taken", *_EXISTING, *_WRITE_PROBLEMS),
        tags=("users",),
    ),
    Operation(
        "PUT",
        "/users/{user_id}",
        "replaceUser",
        "Replace all fields, or register a user under an id of your own",
        {
            200: Response("The user after the change", User, _WRITTEN, examples=[REPLACED_USER]),
            201: Response(
                "The user, registered under this id",
                User,
                {"Location": _LOCATION, **_WRITTEN},
                examples=[EXAMPLE_USER],
            ),
            202: _PENDING,
        },
        parameters=(_USER_ID, _IF_MATCH, _IF_NONE_MATCH, _IDEMPOTENCY_KEY),
        request=_JSON,
        problems=("value-taken", "id-taken", *_EXISTING, *_WRITE_PROBLEMS),
        tags=("users",),
    ),
    Operation(
        "DELETE",
        "/users/{user_id}",
        "deleteUser",
        "Delete a user",
        {204: Response("The user is gone for ever", None, {"Consistency-Token": _TOKEN}), 202: _PENDING},
        parameters=(_USER_ID, _IF_MATCH, _IDEMPOTENCY_KEY),
        problems=(*_EXISTING, *_WRITE_PROBLEMS),
        tags=("users",),
    ),
    _suspension("suspend", "Suspend a user", SUSPENDED_USER),
    _suspension("reinstate", "Reinstate a suspended user", PATCHED_USER),
    Operation(
        "POST",
        "/users/{user_id}/erase",
        "eraseUser",
        "Erase a user",
        {
            204: Response("The user is erased, and may have been before", None, {"Consistency-Token": _TOKEN}),
            202: _PENDING,
        },
        description=_ERASE,
        parameters=(_USER_ID, _IF_MATCH, _IDEMPOTENCY_KEY),
        problems=(
            "user-not-found",
            "version-mismatch",
            "precondition-invalid",
            "invalid-parameter",
            *_WRITE_PROBLEMS,
        ),
        tags=("users",),
    ),
    Operation(
        "GET",
        "/writes/{write_token}",
        "readWrite",
        "Read what became of a write",
        {
            200: Response(
                "What became of it",
                WriteOutcome,
                {"Consistency-Token": _TOKEN, "Retry-After": Header("Seconds, while it is pending", int)},
            )
        },
        parameters=(_WRITE_TOKEN,),
        problems=("invalid-write-token",),
        tags=("writes",),
    ),
)


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    return build(
        "user-directory command API",
        "0.1.0",
        OPERATIONS,
        description="The write side: every change of a user. The query API reads.",
    )
