"""Which scope each operation of the two APIs asks for. What is not here is refused.

The keys are methods and paths as they are given to Falcon; HEAD counts as GET.
"""

from collections.abc import Mapping
from typing import Final

READ: Final = "users:read"
WRITE: Final = "users:write"
ERASE: Final = "users:erase"
ADMIN: Final = "users:admin"
MEANINGS: Final[Mapping[str, str]] = {
    READ: "read users, their history and the changes",
    WRITE: "register, change, suspend and delete users, and read what became of a write",
    ERASE: "erase a user for good",
    ADMIN: "operate the directory",
}

# No token is asked for: probes and scrapers have none, and the description tells how to get in.
OPEN_PATHS: Final = frozenset(
    {
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/openapi/command-api.json",
        "/openapi/query-api.json",
        "/docs",
        "/docs/{name}",
    }
)

SCOPES: Final[Mapping[tuple[str, str], str]] = {
    ("POST", "/users"): WRITE,
    ("POST", "/users/import"): WRITE,
    ("PATCH", "/users/{user_id}"): WRITE,
    ("PUT", "/users/{user_id}"): WRITE,
    ("DELETE", "/users/{user_id}"): WRITE,
    ("POST", "/users/{user_id}/suspend"): WRITE,
    ("POST", "/users/{user_id}/reinstate"): WRITE,
    ("POST", "/users/{user_id}/erase"): ERASE,
    ("GET", "/writes/{write_token}"): WRITE,
    ("GET", "/users"): READ,
    ("GET", "/users/count"): READ,
    ("GET", "/users/export"): READ,
    ("POST", "/users/lookup"): READ,
    ("GET", "/users/{user_id}"): READ,
    ("GET", "/users/{user_id}/history"): READ,
    ("GET", "/changes"): READ,
}


def scope_of(method: str, path: str | None) -> str | None:
    """Return the scope that an operation asks for; None: nobody may carry it out."""
    return SCOPES.get(("GET" if method == "HEAD" else method, path or ""))
