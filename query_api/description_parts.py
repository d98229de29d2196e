"""What the descriptions of several operations share."""

from typing import Any, Final
from uuid import UUID

from runtime.openapi import Header, Parameter

EXAMPLE_USER: Final[dict[str, Any]] = {
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

CONSISTENCY: Final = (
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
FRESHNESS: Final = {
    "Consistency-Token": Header("How new the answer is; send it with later reads, which are then not older."),
    "Preference-Applied": Header("`wait=N`: the longest wait that `Prefer` was granted."),
}
VERSION: Final = {"ETag": Header('The user\'s version, quoted: `"3"`.')}
LATEST_VERSION: Final = {
    "Latest-Version": Header(
        "Only where the document is behind the user's events, some of which wait for a repair: the user's version, "
        'quoted: `"5"`.'
    )
}
LINK: Final = {"Link": Header('The next page, `rel="next"` (RFC 8288).')}
USER_ID: Final = Parameter(
    "user_id", "path", UUID, "The user's id: a UUID, in either case.", example=EXAMPLE_USER["id"]
)
FRESHNESS_PROBLEMS: Final = ("invalid-consistency-token", "not-yet-visible")
