"""Following the directory: load every user, then each change, without a gap and without an overlap.

`follow` and `follow_as_group` need the extra `kafka`; `user_directory_events.testing` has a stream without a Kafka.
"""

from typing import TYPE_CHECKING, Any

from user_directory_events.consumer.asynchronous import AsyncFollower
from user_directory_events.consumer.checkpoint import Checkpoint, Place
from user_directory_events.consumer.follower import Batch, Follower, Progress
from user_directory_events.consumer.items import Changed, Item, Loaded
from user_directory_events.consumer.overlap import ChangesMissing
from user_directory_events.consumer.topics import CheckpointTooOld, CheckpointUnfit, TopicMissing, Topics

if TYPE_CHECKING:
    from user_directory_events.consumer.kafka_topics import follow, follow_as_group

__all__ = [
    "AsyncFollower",
    "Batch",
    "Changed",
    "ChangesMissing",
    "Checkpoint",
    "CheckpointTooOld",
    "CheckpointUnfit",
    "Follower",
    "Item",
    "Loaded",
    "Place",
    "Progress",
    "TopicMissing",
    "Topics",
    "follow",
    "follow_as_group",
]


def __getattr__(name: str) -> Any:
    """Import what needs Kafka only when it is asked for."""
    if name in ("follow", "follow_as_group"):
        from user_directory_events.consumer import kafka_topics

        return getattr(kafka_topics, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
