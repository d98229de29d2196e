"""What the query strings of `GET /users` and `GET /users/count` may say."""

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, Final

from query_api.cursors import Cursor, InvalidCursor
from query_api.directory import Filters, ListQuery, Start
from query_api.parameters import read_email
from query_api.query_strings import Parameters, Readers, fault, invalid, one_of, read_all, whole_number
from read_models.keys import Sort
from read_models.listing import SORTS, instant
from read_models.words import distinct, words_of
from user_directory_events import User
from user_directory_events.timestamps import to_milliseconds

DEFAULT_LIMIT: Final = 50
MOST_USERS: Final = 500
STATUSES: Final = ("active", "suspended")
ORDERS: Final[tuple[str, ...]] = tuple(f"{sign}{sort}" for sort in SORTS for sign in ("", "-"))
FIELDS: Final = tuple(User.model_fields)
LONGEST_TEXT: Final = 256
MOST_WORDS: Final = 10

# RFC 3339; the standard library reads more than that.
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_MILLISECOND_DIGITS: Final = 3


@dataclass(frozen=True, slots=True)
class UsersQuery:
    """What `GET /users` is asked for.

    `fields` are those of a user that are wanted, None: all. `identity` is the same for every page of one list, and for
    no other list.
    """

    page: ListQuery
    fields: Sequence[str] | None
    identity: str


def read_users_query(parameters: Parameters) -> UsersQuery:
    """Read the query parameters of `GET /users`.

    Raises:
        Problem: naming every fault.
    """
    values = read_all(parameters, _READERS)
    filters = _filters(values)
    # Who asks for changes wants them in their order; the index of any other would be searched for them.
    default: Sort = "updated_at" if filters.updated_from is not None else "created_at"
    order: str = values.get("sort", default)
    identity = repr((order, *astuple(filters)))
    start: Start | None = None
    if (cursor := values.get("cursor")) is not None:
        try:
            start = cursor.start_for(identity)
        except InvalidCursor as error:
            raise invalid([fault("cursor", str(error))], "invalid-cursor") from None
    sort = next(sort for sort in SORTS if sort == order.removeprefix("-"))
    page = ListQuery(values.get("limit", DEFAULT_LIMIT), sort, order.startswith("-"), filters, start)
    return UsersQuery(page, values.get("fields"), identity)


def read_filters(parameters: Parameters) -> Filters:
    """Read the query parameters of `GET /users/count`.

    Raises:
        Problem: naming every fault.
    """
    return _filters(read_all(parameters, _FILTERS))


def _filters(values: dict[str, Any]) -> Filters:
    return Filters(
        email=values.get("email"),
        external_id=values.get("external_id"),
        status=values.get("status"),
        words=values.get("q", ()),
        created_from=values.get("created_after"),
        created_before=values.get("created_before"),
        updated_from=values.get("updated_after"),
    )


def _external_id(text: str) -> str:
    if not 1 <= len(text) <= LONGEST_TEXT:
        raise ValueError(f"must have 1 to {LONGEST_TEXT} characters")
    return text


def _words(text: str) -> tuple[str, ...]:
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"must have at most {LONGEST_TEXT} characters")
    words = distinct(words_of(text))
    # Whoever has a word that begins with the longer of two has one that begins with the shorter.
    words = tuple(
        sorted(word for word in words if not any(other != word and other.startswith(word) for other in words))
    )
    if not 1 <= len(words) <= MOST_WORDS:
        raise ValueError(f"must have 1 to {MOST_WORDS} words; a word is of letters and digits")
    return words


def _after(text: str) -> int:
    at, _ = _read_time(text)
    return at + 1


def _before(text: str) -> int:
    at, rest = _read_time(text)
    return at + 1 if rest else at


def _read_time(text: str) -> tuple[int, bool]:
    """Return the instant, and whether some of a millisecond was cut off."""
    match = _TIME.fullmatch(text)
    if match is None:
        hint = "; write + as %2B, in a query + stands for a space" if " " in text else ""
        raise ValueError(f"must be a time such as 2026-11-24T08:30:00Z (RFC 3339){hint}")
    date, time, fraction, zone = match.groups(default="")
    milliseconds = fraction[:_MILLISECOND_DIGITS].ljust(_MILLISECOND_DIGITS, "0")
    try:
        at = instant(to_milliseconds(f"{date}T{time}.{milliseconds}{zone.upper()}"))
    except (ValueError, OverflowError):
        raise ValueError("must be a time that there is") from None
    return at, bool(fraction[_MILLISECOND_DIGITS:].strip("0"))


def _fields(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.split(",")))
    unknown = [name for name in names if name not in FIELDS]
    if unknown:
        raise ValueError(f"must be names out of {', '.join(FIELDS)}, separated by commas")
    return names


_FILTERS: Final[Readers] = {
    "email": read_email,
    "external_id": _external_id,
    "status": one_of(*STATUSES),
    "q": _words,
    "created_after": _after,
    "created_before": _before,
    "updated_after": _after,
}
_READERS: Final[Readers] = {
    **_FILTERS,
    "sort": one_of(*ORDERS),
    "limit": whole_number(MOST_USERS),
    "cursor": Cursor.parse,
    "fields": _fields,
}
