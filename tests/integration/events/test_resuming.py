"""A partition that was paused amid its records is read on, without a gap, whatever was read meanwhile."""

import time
import uuid
from collections import defaultdict

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from user_directory_events.resuming import resume

RECORDS = 100
AT_ONCE = 10
PATIENCE_SECONDS = 20


def test_a_paused_partition_is_read_on_while_another_is_in_hand(kafka_bootstrap: str) -> None:
    topic = f"test-{uuid.uuid4().hex[:12]}"
    first, second = partitions = [TopicPartition(topic, partition) for partition in range(2)]
    _write(kafka_bootstrap, partitions)
    consumer = KafkaConsumer(bootstrap_servers=kafka_bootstrap, enable_auto_commit=False, max_poll_records=AT_ONCE)
    offsets: dict[TopicPartition, list[int]] = defaultdict(list)

    def poll() -> set[TopicPartition]:
        polled = consumer.poll(timeout_ms=100)
        for partition, records in polled.items():
            offsets[partition] += [record.offset for record in records]
        return set(polled)

    try:
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := poll()):
            assert time.monotonic() < deadline
        (paused,) = found
        consumer.pause(paused)
        other = second if paused == first else first
        while other not in poll():
            assert time.monotonic() < deadline

        resume(consumer, paused)

        while sum(map(len, offsets.values())) < 2 * RECORDS:
            assert time.monotonic() < deadline, {p.partition: len(seen) for p, seen in offsets.items()}
            poll()
    finally:
        consumer.close()
    assert offsets == {partition: list(range(RECORDS)) for partition in partitions}


def _write(bootstrap: str, partitions: list[TopicPartition]) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(partitions[0].topic, len(partitions), 1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    for partition in partitions:
        for number in range(RECORDS):
            producer.send(partition.topic, b"%d" % number, partition=partition.partition)
    producer.flush(10)
    producer.close()
