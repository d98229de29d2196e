"""Requests for one thing by its id that ask for nothing else: one regular expression recognises them, as a whole.

It takes less than HTTP allows, so that what it takes means the same to every parser: one complete request without a
body, nothing behind it, each header known here and given once. All other requests are for the ordinary path.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from runtime.observation import JSON_TYPES, accepts

MOST_BYTES: Final = 8192
_HEADERS: Final = rb"((?:[A-Za-z0-9-]+: [\x21-\x7e][\x20-\x7e]*\r\n){1,50})\r\n"

# What a client may say beside what `PlainHead` holds without that the answer to a GET by id changes.
_WITHOUT_EFFECT: Final = frozenset(
    {
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"cookie",
        b"dnt",
        b"host",
        b"origin",
        b"pragma",
        b"priority",
        b"referer",
        b"sec-fetch-dest",
        b"sec-fetch-mode",
        b"sec-fetch-site",
        b"tracestate",
        b"user-agent",
        b"via",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-real-ip",
    }
)
_BEARER: Final = b"bearer "


@dataclass(frozen=True, slots=True)
class PlainHead:
    """What the headers of a plain request say."""

    token: bytes | None
    request_id: bytes | None
    traceparent: str | None
    forwarded_for: tuple[bytes, ...]


def pattern(prefix: str, target: str) -> re.Pattern[bytes]:
    """Return what matches a plain GET; its groups are the target behind the prefix, and the lines of headers."""
    return re.compile(b"GET %s(%s) HTTP/1\\.1\r\n%s" % (re.escape(prefix.encode()), target.encode(), _HEADERS))


# Most clients send the same headers with each request.
@lru_cache(maxsize=512)
def read_head(lines: bytes) -> PlainHead | None:
    """Read the lines of headers; None: one says something that is not for here."""
    values: dict[bytes, bytes] = {}
    for line in lines[:-2].split(b"\r\n"):
        name, _, value = line.partition(b": ")
        name = name.lower()
        if name in values:
            return None
        values[name] = value.rstrip(b" ")
    accept, connection = values.pop(b"accept", b"*/*"), values.pop(b"connection", b"keep-alive")
    if connection.lower() != b"keep-alive" or not accepts(accept, JSON_TYPES):
        return None
    authorization = values.pop(b"authorization", None)
    if authorization is not None and authorization[: len(_BEARER)].lower() != _BEARER:
        return None
    given, trace = values.pop(b"x-request-id", None), values.pop(b"traceparent", None)
    forwarded = values.pop(b"x-forwarded-for", None)
    if not _WITHOUT_EFFECT.issuperset(values):
        return None
    return PlainHead(
        None if authorization is None else authorization[len(_BEARER) :].strip(b" "),
        given,
        None if trace is None else trace.decode("latin-1"),
        () if forwarded is None else (forwarded,),
    )
