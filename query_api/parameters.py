"""What the path and the query string of a request may say; all faults of a request are told together."""

import re
from typing import Final

import email_validator

from query_api.query_strings import Parameters, invalid, unknown
from runtime.problems import FieldError, Problem
from user_directory_events import comparable_email

# As the command API: addresses under .test or .local can be registered. The library documents its list as the place.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


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


def read_email(text: str) -> str:
    """Return the comparable form of an address.

    Raises:
        ValueError: it is none; the message ends a sentence that starts with the parameter's name.
    """
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
