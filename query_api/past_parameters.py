"""What the query strings about the past may say: of a user, and of a history."""

import re
from dataclasses import dataclass
from typing import Final

from query_api.past import HistoryQuery
from query_api.query_strings import Parameters, Readers, fault, invalid, one_of, read_all, whole_number
from user_directory_events.timestamps import to_milliseconds

MOST_VERSION: Final = 2**53 - 1
DEFAULT_LIMIT: Final = 50
MOST_ENTRIES: Final = 200
SORTS: Final = ("version", "-version")

_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True, slots=True)
class PastQuery:
    """Which state of a user is asked for: at most one of a version and a time in milliseconds; none: as it is now."""

    version: int | None
    at_ms: int | None


def read_past_query(parameters: Parameters) -> PastQuery:
    """Read the query parameters of `GET /users/{id}`.

    Raises:
        Problem: naming every fault.
    """
    values = read_all(parameters, _PAST_READERS)
    if len(values) > 1:
        raise invalid([fault(name, "only one of version and at may be given") for name in values])
    return PastQuery(values.get("version"), values.get("at"))


def read_history_query(parameters: Parameters) -> HistoryQuery:
    """Read the query parameters of `GET /users/{id}/history`.

    Raises:
        Problem: naming every fault.
    """
    values = read_all(parameters, _HISTORY_READERS)
    newest_first = values.get("sort", SORTS[0]).startswith("-")
    return HistoryQuery(newest_first, values.get("limit", DEFAULT_LIMIT), values.get("cursor"))


def _time(text: str) -> int:
    if " " in text.strip():
        raise ValueError("must be a time such as 2026-11-24T08:30:00Z; write + as %2B, in a query + stands for a space")
    try:
        if _RFC_3339.fullmatch(text):
            return to_milliseconds(text.upper())
    except ValueError:
        pass
    raise ValueError("must be a time with an offset, such as 2026-11-24T08:30:00Z")


def _cursor(text: str) -> int:
    try:
        return whole_number(MOST_VERSION)(text)
    except ValueError:
        raise ValueError("must be the `next` of an earlier page, unchanged") from None


_PAST_READERS: Final[Readers] = {"version": whole_number(MOST_VERSION), "at": _time}
_HISTORY_READERS: Final[Readers] = {
    "cursor": _cursor,
    "limit": whole_number(MOST_ENTRIES),
    "sort": one_of(*SORTS),
}
