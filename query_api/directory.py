"""What the resources ask of the read models, and how asking can end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from read_models.consistency import ConsistencyToken
from read_models.keys import Sort
from read_models.listing import Status


class DirectoryError(Exception):
    """A question that has no answer; the message is a sentence for the client."""


class UserNotFound(DirectoryError):
    """No user ever had this id."""


class UserGone(DirectoryError):
    """The user was deleted or erased."""


class NoSuchVersion(DirectoryError):
    """The user never had this version, or was not registered yet at this time."""


class InQuarantine(DirectoryError):
    """Events of this user wait in quarantine, and what the read models have is older than was asked for."""


class Unavailable(DirectoryError):
    """Redis does not answer, or holds no complete generation."""


class NotYetVisible(DirectoryError):
    """The read models are older than the consistency token."""


class WrongToken(DirectoryError):
    """The consistency token was made for another log."""


class FoundUser(NamedTuple):
    """A user as the answer needs it; a plain tuple because one is made for every read.

    `latest` is the user's version by the log where it is above that of the document: the events between wait.
    """

    document: bytes
    version: str
    token: str
    latest: str | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """What users have to be; None: whatever it is.

    `email` is in its comparable form. The times are instants, see `read_models.listing`: users created from
    `created_from` on and before `created_before`, and last changed from `updated_from` on. Each of `words` is the
    beginning of a folded word of the user's name or address; none of them is the beginning of another.
    """

    email: str | None = None
    external_id: str | None = None
    status: Status | None = None
    words: tuple[str, ...] = ()
    created_from: int | None = None
    created_before: int | None = None
    updated_from: int | None = None


ALL: Filters = Filters()


@dataclass(frozen=True, slots=True)
class Start:
    """Where a page begins: at a boundary between users in the order of the list, see `read_models.listing.before`.

    The page follows it or, backwards, goes before it.
    """

    boundary: bytes
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class ListQuery:
    """One page of users."""

    limit: int
    sort: Sort = "created_at"
    descending: bool = False
    filters: Filters = ALL
    start: Start | None = None


@dataclass(frozen=True, slots=True)
class UserPage:
    """Documents of users in the order asked for.

    `previous` and `following` are the starts of the pages beside it, None if there is nothing. A page may be shorter
    than asked for, and even empty, though others follow. `token` says how new the page is.
    """

    documents: Sequence[bytes]
    previous: Start | None
    following: Start | None
    token: str


@dataclass(frozen=True, slots=True)
class UserCount:
    """How many users there are, or with `at_least` how many of those that were looked at."""

    count: int
    at_least: bool
    token: str


Missing = Literal["unknown", "deleted", "in-quarantine"]
"""Why there is no user under a key; an address that was given up is unknown."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What was found under each key, in the order asked for: the user's document, or why there is none."""

    results: Sequence[bytes | Missing]
    token: str


@dataclass(frozen=True, slots=True)
class HistoryPart:
    """Entries of a user's history, see `read_models.records.HistoryEntry`, in order.

    The whole history has `length` entries, the first of which is `first`.
    """

    entries: Sequence[bytes]
    length: int
    first: bytes
    token: str


class Directory(Protocol):
    """The read models; every answer is from one moment, not older than `seen`.

    Each method may raise Unavailable, and with `seen` NotYetVisible and WrongToken.
    """

    async def user(self, user_id: str, seen: ConsistencyToken | None) -> FoundUser:
        """Find a user by id, a UUID in lower case.

        Raises:
            UserNotFound: see there.
            UserGone: see there.
            InQuarantine: see there.
        """
        ...

    async def list_users(self, query: ListQuery, seen: ConsistencyToken | None) -> UserPage:
        """List users; a page may be put together from several moments, the first of which is not older than `seen`."""
        ...

    async def count_users(self, filters: Filters, seen: ConsistencyToken | None) -> UserCount:
        """Count users."""
        ...

    async def lookup(
        self, ids: Sequence[str], comparable_emails: Sequence[str], seen: ConsistencyToken | None
    ) -> LookedUp:
        """Find many users: by ids in lower case, then by addresses in their comparable form."""
        ...

    async def history(self, user_id: str, start: int, stop: int | None, seen: ConsistencyToken | None) -> HistoryPart:
        """Read the entries of a user's history from an index (negative: from the end) up to another, exclusive.

        Raises:
            UserNotFound: no event of this user was ever accepted.
        """
        ...

    async def count_recorded(self, user_id: str, at_ms: int, seen: ConsistencyToken | None) -> int:
        """Count the entries that the broker had stamped by a time, in milliseconds since 1970.

        Raises:
            UserNotFound: as above.
        """
        ...

    async def not_ready_because(self) -> str | None:
        """Say why no question can be answered now, None if all can."""
        ...
