"""Examples from the golden corpus: what stood in the log, and what other teams read of it."""

import json
from pathlib import Path
from typing import Any, Final

from contract.schemas import CHANGES, Schema

_GOLDEN: Final = Path(__file__).resolve().parent.parent / "tests" / "golden"


def event(name: str, envelope: Schema) -> dict[str, Any]:
    """Return an event of a schema version, with the attributes that a topic's schema names.

    Args:
        name: as `dataschema` has it, e.g. `user.registered/1`.
        envelope: the schema of the attributes.

    Raises:
        FileNotFoundError: the version has no golden event.
    """
    whole = json.loads((_GOLDEN / "events" / f"{name.replace('/', '.')}.json").read_bytes())
    # The relay does not write it: JSON is what an event of this format has by default.
    left_out = {"datacontenttype"} if envelope["title"] == CHANGES else set()
    return {key: value for key, value in whole.items() if key in envelope["properties"] and key not in left_out}


def state() -> dict[str, Any]:
    """Return the document of a user."""
    found: dict[str, Any] = json.loads((_GOLDEN / "states" / "user.registered.1.json").read_bytes())["after"]["user"]
    return found
