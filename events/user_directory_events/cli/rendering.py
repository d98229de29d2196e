"""Events as lines for people, and as JSON for programs."""

import json
from typing import Any

from pydantic_core import to_json

from user_directory_events.codec import LogRecord
from user_directory_events.public_topics import public_event
from user_directory_events.user_events import UserEvent


def as_object(record: LogRecord) -> dict[str, Any]:
    """Return a record as JSON has it: of a user's event what `user-changes` has."""
    raw = public_event(record, tracing=True) if isinstance(record, UserEvent) else record.model_dump_json()
    found: dict[str, Any] = json.loads(raw)
    return found


def as_line(event: UserEvent) -> str:
    """Return an event in one line: time, type, version, user, and what changed."""
    words = [
        event.time.replace("T", " ").removesuffix("Z"),
        f"{event.type:<15}",
        f"v{event.sequence:<3}",
        event.subject,
        # JSON keeps a line a line, whatever a name holds.
        *(f"{name}={to_json(value).decode()}" for name, value in event.data.model_dump(exclude_unset=True).items()),
    ]
    if event.actor is not None:
        words.append(f"by {event.actor}")
    return " ".join(words).rstrip()
