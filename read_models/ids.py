"""Ids in few bytes: a UUID takes 36 characters as text, 16 bytes raw, 22 characters in base64url."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from urllib.parse import quote, unquote
from uuid import UUID

RAW_BYTES: Final = 16

_CANONICAL: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHORT: Final = 22
_NOTHING: Final = "-"
_NO_UUID: Final = "~"
# A batch names each of its ids many times: in keys, in members of indexes, in claims.
_KEPT: Final = 4096


@lru_cache(maxsize=_KEPT)
def raw_id(text: str) -> bytes:
    """Return the 16 bytes of an id; of a text that is no canonical UUID, which only a broken writer makes, a hash."""
    if _CANONICAL.fullmatch(text) is None:
        return blake2b(text.encode(), digest_size=RAW_BYTES).digest()
    return bytes.fromhex(text.replace("-", ""))


@lru_cache(maxsize=_KEPT)
def shorten(text: str | None) -> str:
    """Return a text, most often a UUID, as one word without blanks that `lengthen` turns back."""
    if text is None:
        return _NOTHING
    if _CANONICAL.fullmatch(text) is None:
        return _NO_UUID + quote(text, safe="")
    return urlsafe_b64encode(bytes.fromhex(text.replace("-", ""))).rstrip(b"=").decode()


def lengthen(word: str) -> str | None:
    """Return the text that was shortened to this word."""
    if word == _NOTHING:
        return None
    if word.startswith(_NO_UUID):
        return unquote(word[1:])
    return str(UUID(bytes=urlsafe_b64decode(word + "==")))
