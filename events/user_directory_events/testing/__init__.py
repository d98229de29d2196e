"""A directory in memory, to test a consumer with: no Kafka, and no dependency beyond the contract's."""

from user_directory_events.testing.directory import FakeDirectory
from user_directory_events.testing.topics import FakeTopics

__all__ = ["FakeDirectory", "FakeTopics"]
