"""Cursors: where in an order the next page begins, opaque to clients and bound to the query that made them."""

import re
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Self

_QUERY_BYTES: Final = 8
_LONGEST: Final = 1024
# A member of the index by creation: a timestamp of fixed width and a user id.
_PLACE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NO_CURSOR: Final = "must be the `next` of an earlier page, unchanged"


class InvalidCursor(ValueError):
    """The text is no cursor, or not one of this query; the message ends a sentence that starts with its name."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in an order, with the digest of the query whose order it is."""

    query: bytes
    place: str

    @classmethod
    def at(cls, query: str, place: str) -> Self:
        """Make the cursor of a query, given in a form of which there is one only."""
        return cls(_digest(query), place)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cursor.

        Raises:
            InvalidCursor: not made by this service.
        """
        try:
            packed = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            cursor = cls(packed[:_QUERY_BYTES], packed[_QUERY_BYTES:].decode())
        except ValueError:
            raise InvalidCursor(_NO_CURSOR) from None
        if len(text) > _LONGEST or not _PLACE.fullmatch(cursor.place) or str(cursor) != text:
            raise InvalidCursor(_NO_CURSOR)
        return cursor

    def place_for(self, query: str) -> str:
        """Return the place in the order of a query.

        Raises:
            InvalidCursor: the cursor is of another query.
        """
        if self.query != _digest(query):
            raise InvalidCursor("belongs to another query: send the same filters and sort that it came from")
        return self.place

    def __str__(self) -> str:
        return urlsafe_b64encode(self.query + self.place.encode()).rstrip(b"=").decode()


def _digest(query: str) -> bytes:
    return blake2b(query.encode(), digest_size=_QUERY_BYTES).digest()
