"""RFC 3339 timestamps in UTC with milliseconds: one fixed width, so that text order is time order."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


# Each event's times are asked for several times in a row, and most deadlines of a replayed log are one and the same.
@lru_cache(maxsize=1024)
def to_milliseconds(timestamp: str) -> int:
    """Return the milliseconds since 1970-01-01T00:00:00Z of an RFC 3339 timestamp.

    Raises:
        ValueError: not a point in time.
    """
    return (datetime.fromisoformat(timestamp) - _EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: int) -> str:
    """Return the RFC 3339 timestamp, e.g. `2026-11-24T08:30:00.123Z`, of milliseconds since 1970."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_whole_seconds(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=64)
def _whole_seconds(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def _check(timestamp: str) -> str:
    to_milliseconds(timestamp)
    return timestamp


Timestamp = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        json_schema_extra={"format": "date-time"},
        examples=["2026-11-24T08:30:00.123Z"],
    ),
    AfterValidator(_check),
]

ENDLESS = "9999-12-31T23:59:59.999Z"
"""The deadline of an event that may be appended at any time, as a restore does."""
