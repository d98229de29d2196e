"""How a user stands in the indexes: what lists sort by and filter by.

Each index is a sorted set whose scores are all 0, so that Redis keeps its members in the order of their bytes. A member
ends in the user's raw id. A time is six bytes, big-endian: milliseconds since the year 1, so that none is negative.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from os.path import commonprefix
from typing import Final, Literal, NamedTuple, Self, get_args

from pydantic_core import from_json

from read_models.ids import RAW_BYTES, raw_id
from read_models.keys import GenerationKeys, Sort
from read_models.words import MOST_CHARACTERS, distinct, words_of
from user_directory_events import User, comparable_email
from user_directory_events.timestamps import to_milliseconds

SORTS: Final[tuple[Sort, ...]] = get_args(Sort)
Status = Literal["active", "suspended"]
LETTERS: Final[dict[Status, str]] = {"active": "a", "suspended": "s"}

TIME_BYTES: Final = 6
_YEAR_1_MS: Final = 62_135_596_800_000
_SEPARATOR: Final = b"\0"
_BEHIND_SEPARATOR: Final = b"\1"
# No byte of a word, or of what follows it, is greater.
_BEHIND_ALL: Final = b"\xff"


def instant(milliseconds: int) -> int:
    """Return milliseconds since the year 1 of milliseconds since 1970."""
    return milliseconds + _YEAR_1_MS


# A user's times stand in several indexes.
@lru_cache(maxsize=1024)
def time_bytes(at: int) -> bytes:
    """Return an instant as it stands in an index; one beyond all times as the last there is."""
    return min(max(at, 0), 256**TIME_BYTES - 1).to_bytes(TIME_BYTES, "big")


class Listing(NamedTuple):
    """What lists know of a user; times are instants."""

    status: Status
    created: int
    updated: int
    name: str
    words: tuple[str, ...]
    email: str

    @classmethod
    def of(cls, user: User) -> Self:
        """Take it from the user's state."""
        name = user.name
        parts = (name.given, name.family, name.formatted) if name else (None, None, None)
        spelled, words = _spelled(*parts, user.display_name, user.email)
        created, updated = instant(to_milliseconds(user.created_at)), instant(to_milliseconds(user.updated_at))
        return cls(user.status, created, updated, spelled, words, comparable_email(user.email))

    def encode(self) -> str:
        """Write it as the end of the head of the user's record; `matching.lua` reads it there.

        The words of the name are not written again among the words: each of them begins with a blank, wherever it is.
        """
        of_name = set(self.name.split(" "))
        words = "".join(f" {word}" for word in self.words if word not in of_name)
        return f"{LETTERS[self.status]}{self.created} {self.updated - self.created} {self.name}\t{words}"

    def members(self, keys: GenerationKeys, user_id: str) -> Iterator[tuple[str, bytes]]:
        """Tell each index that the user is in, by its key, with the member; but for the claims of unique values."""
        raw = raw_id(user_id)
        yield from self._orders(keys, raw)
        yield from self._words(keys, raw)

    def changes(
        self, before: "Listing | None", keys: GenerationKeys, user_id: str
    ) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
        """Tell which members the user, who stood so before, gives up, and which come, each with its index's key."""
        if before is None:
            return [], list(self.members(keys, user_id))
        raw = raw_id(user_id)
        gone, come = list(before._orders(keys, raw)), list(self._orders(keys, raw))
        # Most changes are of something else.
        if before.words != self.words or before.created != self.created:
            gone += before._words(keys, raw)
            come += self._words(keys, raw)
        kept = set(gone) & set(come)
        return [one for one in gone if one not in kept], [one for one in come if one not in kept]

    def _orders(self, keys: GenerationKeys, raw: bytes) -> Iterator[tuple[str, bytes]]:
        suspended = self.status == "suspended"
        for sort in SORTS:
            # The index by e-mail is that of the claims.
            if suspended or sort != "email":
                member = self.member(sort, raw)
                if sort != "email":
                    yield keys.sorted_by(sort), member
                if suspended:
                    yield keys.suspended_by(sort), member

    def _words(self, keys: GenerationKeys, raw: bytes) -> Iterator[tuple[str, bytes]]:
        tail = _SEPARATOR + time_bytes(self.created) + raw
        index = keys.words
        for word in self.words:
            yield index, word.encode() + tail
        # What several words of a user begin with: subtracted from the count of the words that begin so, it leaves the
        # count of the users.
        shared: dict[str, int] = {}
        for one, other in pairwise(sorted(self.words)):
            if one[0] == other[0]:
                start = commonprefix((one, other))  # noqa: RUF071 - by character is what is wanted
                shared[start] = shared.get(start, 0) + 1
                yield keys.shared_starts, start.encode() + _SEPARATOR + bytes([shared[start]]) + raw

    def member(self, sort: Sort, raw: bytes) -> bytes:
        """Return the member in the index of an order, of a user with this raw id."""
        match sort:
            case "created_at":
                return time_bytes(self.created) + raw
            case "updated_at":
                return time_bytes(self.updated) + raw
            case "name":
                return self.name.encode() + _SEPARATOR + raw
            case "email":
                return self.email.encode() + _SEPARATOR + raw


# The states before and after most changes are spelled alike.
@lru_cache(maxsize=4096)
def _spelled(
    given: str | None, family: str | None, formatted: str | None, display_name: str | None, email: str
) -> tuple[str, tuple[str, ...]]:
    """Return what a user is sorted by, and all words that the user is found by."""
    spoken = formatted or " ".join(filter(None, (given, family)))
    sorted_by = words_of(spoken or display_name or "")
    found = list(sorted_by)
    # What is spoken has the words of the given and the family name, unless it was given whole.
    parts = (given, family) if formatted else ()
    for text in (*parts, display_name, email):
        if text and text != spoken:
            found += words_of(text)
    return " ".join(sorted_by)[:MOST_CHARACTERS], distinct(found)


def member_from_record(sort: Sort, raw: bytes, listing: bytes, document: bytes) -> bytes:
    """Return the member in the index of an order from the parts of a user's record; only `email` needs the document."""
    if sort == "email":
        return comparable_email(from_json(document)["email"]).encode() + _SEPARATOR + raw
    created, age, name = listing.partition(b"\t")[0][1:].split(b" ", 2)
    match sort:
        case "created_at":
            return time_bytes(int(created)) + raw
        case "updated_at":
            return time_bytes(int(created) + int(age)) + raw
        case "name":
            return name + _SEPARATOR + raw


def claim_tail(milliseconds: int, event_id: str, user_id: str) -> bytes:
    """Return the end of the member of a claim: behind the value stand its time, its event and who claims.

    So of several claims of one value the first in order is the one that counts: the earlier, then the smaller event id.
    """
    return time_bytes(instant(milliseconds)) + raw_id(event_id) + raw_id(user_id)


CLAIM_TAIL_BYTES: Final = TIME_BYTES + 2 * RAW_BYTES


def before(sort: Sort, member: bytes) -> bytes:
    """Return the boundary right before a member of an order's index.

    A boundary is a place between members, wherever they come and go: members below it stand before it. By e-mail it
    stands beside all who claim the address, as what follows the address differs from index to index.
    """
    return _address(member) + _SEPARATOR if sort == "email" else member


def behind(sort: Sort, member: bytes) -> bytes:
    """Return the boundary right behind a member, see `before`."""
    return _address(member) + _BEHIND_SEPARATOR if sort == "email" else member + _SEPARATOR


def _address(member: bytes) -> bytes:
    # An address holds no control character: what follows it is the separator.
    return member.partition(_SEPARATOR)[0]


def word_range(start: str) -> tuple[bytes, bytes]:
    """Return the boundaries of the words that begin so."""
    return start.encode(), start.encode() + _BEHIND_ALL
