"""What a piece of work is known by, from the HTTP request through the event to the projector's log."""

import re
from contextvars import ContextVar
from math import inf
from random import getrandbits
from typing import Final

from uuid_utils import uuid7

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
traceparent: Final[ContextVar[str]] = ContextVar("traceparent", default="")
correlation_id: Final[ContextVar[str]] = ContextVar("correlation_id", default="")
actor: Final[ContextVar[str]] = ContextVar("actor", default="")
access_ends: Final[ContextVar[float]] = ContextVar("access_ends", default=inf)
"""When the caller's token expires, in seconds since 1970: for answers that would go on for ever."""

_TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?"
)


def new_request_id() -> str:
    """Make a request id: a UUIDv7, so that ids sort by time."""
    return str(uuid7())


def child_traceparent(parent: str) -> str | None:
    """Continue a caller's trace under a span id of our own (W3C Trace Context); None for a malformed header."""
    match = _TRACEPARENT.fullmatch(parent)
    if match is None or (match[1] == "00" and match[4]):
        return None
    # The version of a newer caller is not repeated: what we send on follows version 00.
    return f"00-{match[2]}-{_span_id()}-{match[3]}"


def trace_id_of(well_formed: str) -> str:
    """Return the trace that a traceparent belongs to."""
    return well_formed[3:35]


def ensure_traceparent() -> str:
    """Give the current traceparent, starting a trace if none has been; the flags say that we do not sample."""
    current = traceparent.get()
    if not current:
        # No secret, so it need not cost two calls of the system; the generator is seeded anew in a forked worker.
        current = f"00-{getrandbits(128) or 1:032x}-{_span_id()}-00"
        traceparent.set(current)
    return current


def _span_id() -> str:
    return f"{getrandbits(64) or 1:016x}"
