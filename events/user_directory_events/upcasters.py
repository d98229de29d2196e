"""Old versions of an event, lifted to the current one when read.

To publish version n+1 of a schema: set it in `CURRENT_VERSIONS`, add the function from n to n+1 to `UPCASTERS`, and
keep an event of version n in the golden corpus. Each function is pure, takes and returns the whole event as a
dictionary, and sets `dataschema` to the version that it made.
"""

from collections.abc import Callable, Mapping
from typing import Any

CURRENT_VERSIONS: Mapping[str, int] = {
    "user.registered": 1,
    "user.updated": 1,
    "user.suspended": 1,
    "user.reinstated": 1,
    "user.deleted": 1,
    "user.erased": 1,
    "log.identity": 1,
    "log.epoch": 1,
    "log.tick": 1,
    "log.discard": 1,
    "log.replay": 1,
}

UPCASTERS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From `dataschema`, e.g. `user.registered/1`, to the function that makes the next version of it."""
