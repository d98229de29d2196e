"""What is told about the topics to those who read them."""

from dataclasses import dataclass
from typing import Any, Final

from contract.schemas import CHANGES, LOG, STATES, event_type

DAY_MS: Final = 24 * 60 * 60 * 1000
CLOUDEVENTS: Final = "application/cloudevents+json"
JSON: Final = "application/json"


@dataclass(frozen=True)
class Topic:
    """A topic; `configuration` is that of the AsyncAPI binding for Kafka."""

    name: str
    title: str
    description: str
    key: str
    content_type: str
    configuration: dict[str, Any]


TOPICS: Final = (
    Topic(
        CHANGES,
        "Accepted changes",
        "Every accepted change, each once, in order for each user; between users there is no order. Read it with "
        "`isolation.level=read_committed`. Each is kept for seven days by default.",
        "The user's id",
        CLOUDEVENTS,
        {"cleanup.policy": ["delete"], "retention.ms": 7 * DAY_MS},
    ),
    Topic(
        STATES,
        "Users as they are",
        "The newest state of each user; no value: the user was deleted or erased. Compacted, so that the newest record "
        "of each user stays. Read it with `isolation.level=read_committed`. A state may be ahead of `user-changes`, "
        "never behind.",
        "The user's id",
        JSON,
        {"cleanup.policy": ["compact"]},
    ),
    Topic(
        LOG,
        "The log of record",
        "Every event that was ever written, and control records. Not every event counts: whoever reads it applies the "
        "verdict rules (`user_directory_events.judge`). Most readers want `user-changes`. No value: the event was "
        "erased.",
        "The event's id",
        CLOUDEVENTS,
        {"cleanup.policy": ["compact"]},
    ),
)


def is_told(topic: str, schema: str) -> bool:
    """Say whether events of a schema are in a topic."""
    return topic == LOG or (topic == CHANGES and event_type(schema).startswith("user."))
