"""What the OpenAPI document shows: one user's registration, and what it is answered with."""

from typing import Any, Final

from pydantic import JsonValue

from command_api import write_tokens
from read_models.write_calls import EventRef
from user_directory_events.timestamps import to_milliseconds

EXAMPLE_USER: Final[dict[str, Any]] = {
    "id": "0192d3a0-5b6c-7def-8123-456789abcdef",
    "email": "jo@example.org",
    "name": {"given": "Jo", "family": "Doe"},
    "status": "active",
    "external_id": "hr-1042",
    "attributes": {"team": "north"},
    "created_at": "2026-11-24T08:30:00.123Z",
    "updated_at": "2026-11-24T08:30:00.123Z",
    "version": 1,
}
EXAMPLE_REGISTRATION: Final = {field: EXAMPLE_USER[field] for field in ("email", "name", "external_id", "attributes")}
EXAMPLE_PATCH: Final[dict[str, JsonValue]] = {
    "display_name": "Jo",
    "external_id": None,
    "attributes": {"team": "south"},
}
PATCHED_USER: Final[dict[str, Any]] = {
    "id": EXAMPLE_USER["id"],
    "email": EXAMPLE_USER["email"],
    "name": EXAMPLE_USER["name"],
    "display_name": "Jo",
    "status": "active",
    "attributes": {"team": "south"},
    "created_at": EXAMPLE_USER["created_at"],
    "updated_at": "2026-11-24T08:31:07.456Z",
    "version": 2,
}
REPLACED_USER: Final = {**EXAMPLE_USER, "updated_at": PATCHED_USER["updated_at"], "version": 2}
SUSPENDED_USER: Final = {**PATCHED_USER, "status": "suspended"}

EXAMPLE_WRITE_TOKEN: Final = write_tokens.encode(
    EventRef(
        "0192d3a0-5b6c-7def-8123-456789abcdee",
        EXAMPLE_USER["id"],
        1,
        3,
        to_milliseconds("2026-11-24T08:30:10.122Z"),
        "0192d39f-0000-7000-8000-000000000000",
    )
)
EXAMPLE_LOCATION: Final = f"/writes/{EXAMPLE_WRITE_TOKEN}"

EXAMPLE_RESULTS: Final[list[JsonValue]] = [
    {"row": 1, "status": 201, "id": EXAMPLE_USER["id"], "version": 1},
    {
        "row": 2,
        "type": "urn:user-directory:problem:value-taken",
        "title": "The value belongs to another user",
        "status": 409,
        "detail": "Another user has this email.",
        "instance": "urn:user-directory:request:01936e0b-8a10-7d0e-b1c2-6a5b4c3d2e1f",
        "errors": [{"pointer": "/email", "detail": "belongs to another user"}],
    },
    {"row": 3, "status": 202, "id": EXAMPLE_USER["id"], "location": EXAMPLE_LOCATION},
    {
        "next_row": 1042,
        "type": "urn:user-directory:problem:service-unavailable",
        "title": "The service is not available",
        "status": 503,
        "detail": "The event log cannot be written now. Nothing was changed; try again.",
        "instance": "urn:user-directory:request:01936e0b-8a10-7d0e-b1c2-6a5b4c3d2e1f",
    },
]
