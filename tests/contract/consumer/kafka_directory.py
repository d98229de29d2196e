"""The stand-in directory, but its topics are in a real Kafka and written as the relay writes them."""

import uuid
from collections.abc import Sequence

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from user_directory_events import User, UserEvent, partition_of
from user_directory_events.consumer.kafka_topics import KafkaTopics
from user_directory_events.public_topics import CHANGE_HEADERS, STATE_HEADERS, encode_change, encode_state
from user_directory_events.testing import FakeDirectory, FakeTopics
from user_directory_events.topics import changes_topic, create_missing, users_topic


class KafkaDirectory(FakeDirectory):
    """One directory with topics of its own; each event is told in a transaction of its own."""

    def __init__(self, bootstrap: str, partitions: int = 2) -> None:
        super().__init__(partitions)
        self.bootstrap, self.partitions = bootstrap, partitions
        name = f"directory-{uuid.uuid4().hex[:12]}"
        self.changes, self.users = f"{name}.changes", f"{name}.users"
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        common = {"partitions": partitions, "replication_factor": 1, "min_insync_replicas": 1}
        topics = [changes_topic(self.changes, retention_hours=24, **common), users_topic(self.users, **common)]
        create_missing(self.admin, topics)
        self._producer = self.producer()

    def producer(self) -> KafkaProducer:
        """Return a transactional producer."""
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap, transactional_id=uuid.uuid4().hex, retry_backoff_ms=20, acks="all"
        )
        producer.init_transactions()
        return producer

    def close(self) -> None:
        self._producer.close()
        self.admin.close()

    def topics(self, group: str | None = None, partitions: set[int] | None = None) -> FakeTopics:
        """Return a reader of the topics, whose partitions are all or the group's to give."""
        assert partitions is None
        group = group and f"{self.changes}.{group}"
        options = {"bootstrap_servers": self.bootstrap, "session_timeout_ms": 6000, "heartbeat_interval_ms": 500}
        return KafkaTopics(options, self.changes, self.users, group=group)  # type: ignore[return-value]

    def expire(self) -> None:
        """Drop all changes, as after their retention."""
        ends = self.ends(self.changes)
        self.admin.delete_records(ends)

    def ends(self, topic: str) -> dict[TopicPartition, int]:
        """Return the ends of a topic."""
        with KafkaConsumer(bootstrap_servers=self.bootstrap) as consumer:
            ends: dict[TopicPartition, int] = consumer.end_offsets(
                [TopicPartition(topic, partition) for partition in range(self.partitions)]
            )
            return ends

    def write(self, producer: KafkaProducer, event: UserEvent) -> Sequence[object]:
        """Write an event and its user's state within an open transaction, and wait for the brokers."""
        partition = partition_of(event.subject, self.partitions)
        key, value = encode_change(event)
        state = self.states[event.subject]
        document = state.to_json() if isinstance(state, User) else None
        user, told = encode_state(event.subject, document)
        sent = [
            producer.send(self.changes, key=key, value=value, headers=CHANGE_HEADERS, partition=partition),
            producer.send(self.users, key=user, value=told, headers=STATE_HEADERS, partition=partition),
        ]
        producer.flush()
        return [future.get(10) for future in sent]

    def _tell(self, event: UserEvent) -> None:
        self._producer.begin_transaction()
        self.write(self._producer, event)
        self._producer.commit_transaction()
