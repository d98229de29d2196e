"""The public topics as another system reads them: committed records only."""

import time
from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from tests.stack import Stack
from user_directory_events import UserEvent
from user_directory_events.public_topics import decode_change, decode_state
from user_directory_events.user import User

_END_SECONDS = 60


def committed(stack: Stack, topic: str) -> Iterator[tuple[int, ConsumerRecord]]:
    """Yield all records up to the topic's end of now, each with its partition, in order within each partition."""
    consumer = KafkaConsumer(
        bootstrap_servers=stack.environ["KAFKA_BOOTSTRAP_SERVERS"],
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        partitions = [TopicPartition(topic, p) for p in range(int(stack.environ["KAFKA_PARTITIONS"]))]
        # Of a consumer of committed records the end is where the oldest open transaction begins.
        ends = consumer.end_offsets(partitions)
        consumer.assign(partitions)
        deadline = time.monotonic() + _END_SECONDS
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            assert time.monotonic() < deadline, f"{topic} cannot be read to its end"
            for partition, records in consumer.poll(timeout_ms=500).items():
                yield from ((partition.partition, record) for record in records)
    finally:
        consumer.close()


def changes(stack: Stack) -> list[UserEvent]:
    """Return the events that other systems are told, those of a user in order."""
    return [decode_change(record.value) for _, record in committed(stack, stack.changes_topic)]


def states(stack: Stack) -> dict[str, User | None]:
    """Return the newest state of each user; None: a tombstone."""
    return {record.key.decode(): decode_state(record.value) for _, record in committed(stack, stack.users_topic)}
