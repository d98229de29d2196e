"""Cursors: where in an order a page begins, opaque to clients and bound to the query that made them."""

from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Self

from query_api.directory import Start

_QUERY_BYTES: Final = 8
_CHECK_BYTES: Final = 4
# An address has at most 254 characters, each of at most 4 bytes; base64 makes 4 characters of 3.
_LONGEST: Final = 1500
_FORWARDS: Final = b">"
_BACKWARDS: Final = b"<"
_NO_CURSOR: Final = "must be the `next` of an earlier page, unchanged"


class InvalidCursor(ValueError):
    """The text is no cursor, or not one of this query; the message ends a sentence that starts with its name."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The start of a page, with the digest of the query whose order it is in."""

    query: bytes
    start: Start

    @classmethod
    def at(cls, query: str, start: Start) -> Self:
        """Make the cursor of a query, given in a form of which there is one only."""
        return cls(_digest(query.encode(), _QUERY_BYTES), start)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cursor.

        Raises:
            InvalidCursor: not made by this service.
        """
        try:
            packed = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise InvalidCursor(_NO_CURSOR) from None
        query, rest = packed[:_QUERY_BYTES], packed[_QUERY_BYTES + _CHECK_BYTES :]
        cursor = cls(query, Start(rest[1:], backwards=rest[:1] == _BACKWARDS))
        if len(text) > _LONGEST or str(cursor) != text:
            raise InvalidCursor(_NO_CURSOR)
        return cursor

    def start_for(self, query: str) -> Start:
        """Return the start in the order of a query.

        Raises:
            InvalidCursor: the cursor is of another query.
        """
        if self.query != _digest(query.encode(), _QUERY_BYTES):
            raise InvalidCursor("belongs to another query: send the same filters and sort that it came from")
        return self.start

    def __str__(self) -> str:
        place = (_BACKWARDS if self.start.backwards else _FORWARDS) + self.start.boundary
        # No secret: it tells what was cut off or changed on the way from what this service has made.
        check = _digest(self.query + place, _CHECK_BYTES)
        return urlsafe_b64encode(self.query + check + place).rstrip(b"=").decode()


def _digest(text: bytes, size: int) -> bytes:
    return blake2b(text, digest_size=size).digest()
