"""What the path and the query string of a request may say; all faults of a request are told together."""

import re
from dataclasses import dataclass
from typing import Final

import email_validator

from query_api.cursors import Cursor, InvalidCursor
from query_api.directory import ListQuery
from query_api.query_strings import Parameters, Readers, fault, invalid, one_of, read_all, unknown, whole_number
from runtime.problems import FieldError, Problem
from user_directory_events import comparable_email

# As the command API: addresses under .test or .local can be registered. The library documents its list as the place.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

DEFAULT_LIMIT: Final = 50
MOST_USERS: Final = 500
SORTS: Final = ("created_at", "-created_at")

UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass(frozen=True, slots=True)
class UsersQuery:
    """What `GET /users` is asked for.

    `email`, in its comparable form, leaves one user or none; `page` says which of the users are wanted. `identity` is
    the same for every page of one listing, and for no other listing.
    """

    email: str | None
    page: ListQuery
    identity: str


def read_user_id(text: str) -> str:
    """Return the id in lower case.

    Raises:
        Problem: it is not a UUID (RFC 9562).
    """
    if UUID.fullmatch(text) is None:
        error = FieldError("/id", "must be a UUID such as 01936e0a-7a3c-7d2e-9f4b-5c8d1e2f3a4b")
        raise Problem("invalid-parameter", "The user id is not a UUID.", errors=[error])
    return text.lower()


def refuse_all(parameters: Parameters) -> None:
    """Refuse any query parameter.

    Raises:
        Problem: naming each.
    """
    if parameters:
        raise invalid([unknown(name, ()) for name in parameters])


def read_users_query(parameters: Parameters) -> UsersQuery:
    """Read the query parameters of `GET /users`.

    Raises:
        Problem: naming every fault.
    """
    values = read_all(parameters, _READERS)
    email, sort, cursor = values.get("email"), values.get("sort", SORTS[0]), values.get("cursor")
    identity = f"sort={sort}" if email is None else f"sort={sort}&email={email}"
    try:
        after = None if cursor is None else cursor.place_for(identity)
    except InvalidCursor as error:
        raise invalid([fault("cursor", str(error))], "invalid-cursor") from None
    page = ListQuery(sort.startswith("-"), values.get("limit", DEFAULT_LIMIT), after)
    return UsersQuery(email, page, identity)


def _email(text: str) -> str:
    if " " in text.strip():
        raise ValueError("must be an e-mail address; write + as %2B, in a query + stands for a space")
    try:
        # As lenient as can be: an address that nobody can have is simply not found.
        email_validator.validate_email(
            text, check_deliverability=False, globally_deliverable=False, allow_quoted_local=True
        )
    except email_validator.EmailNotValidError:
        raise ValueError("must be an e-mail address") from None
    return comparable_email(text)


_READERS: Final[Readers] = {
    "cursor": Cursor.parse,
    "email": _email,
    "limit": whole_number(MOST_USERS),
    "sort": one_of(*SORTS),
}
