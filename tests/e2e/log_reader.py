"""The log, read and judged by a reader who trusts nothing but the log."""

from kafka import KafkaConsumer, TopicPartition

from tests.stack import Stack
from user_directory_events import LogRecord, PartitionFold, UserEvent, decode
from user_directory_events.log_fold import UserLog


def read_log(stack: Stack) -> dict[int, list[tuple[LogRecord, int]]]:
    """Return what is left of each partition in order, each with the broker's timestamp."""
    consumer = KafkaConsumer(
        bootstrap_servers=stack.environ["KAFKA_BOOTSTRAP_SERVERS"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        partitions = [TopicPartition(stack.events_topic, p) for p in range(int(stack.environ["KAFKA_PARTITIONS"]))]
        ends = consumer.end_offsets(partitions)
        consumer.assign(partitions)
        log: dict[int, list[tuple[LogRecord, int]]] = {partition.partition: [] for partition in partitions}
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for partition, records in consumer.poll(timeout_ms=500).items():
                # A tombstone says that an event was erased, and that is all it says.
                log[partition.partition] += [(decode(r.value), r.timestamp) for r in records if r.value is not None]
        return log
    finally:
        consumer.close()


def user_logs(stack: Stack) -> dict[str, UserLog]:
    """Fold the log; return each user's part of it by id."""
    users: dict[str, UserLog] = {}
    for records in read_log(stack).values():
        fold = PartitionFold()
        for record, timestamp in records:
            fold.apply(record, timestamp)
        assert fold.duplicates == 0
        users |= fold.users
    return users


def events_of(stack: Stack, user_id: str) -> list[UserEvent]:
    """Return the accepted events of one user in order."""
    return user_logs(stack)[user_id].accepted
