"""`tail`: the accepted changes as they come."""

import argparse
import json
from collections.abc import Iterator
from datetime import datetime

from kafka import KafkaConsumer, TopicPartition

from user_directory_events.cli.rendering import as_line, as_object
from user_directory_events.consumer.topics import TopicMissing
from user_directory_events.public_topics import decode_change
from user_directory_events.user_events import UserEvent

_POLL_MS = 500


def run(options: argparse.Namespace) -> int:
    """Print what meets the filters; between users there is no order."""
    consumer = KafkaConsumer(
        bootstrap_servers=options.bootstrap_servers.split(","),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        **dict(options.kafka_options),
    )
    try:
        for event in _events(consumer, options.changes_topic, options.since, end=options.end):
            if _is_wanted(event, options):
                # Whoever pipes it on wants each line at once.
                print(json.dumps(as_object(event), ensure_ascii=False) if options.json else as_line(event), flush=True)
    finally:
        consumer.close(autocommit=False)
    return 0


def _events(consumer: KafkaConsumer, topic: str, since: datetime | None, *, end: bool) -> Iterator[UserEvent]:
    if topic not in consumer.topics():
        raise TopicMissing(f"topic {topic} does not exist")
    partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic))]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    found = (
        {} if since is None else consumer.offsets_for_times(dict.fromkeys(partitions, since.timestamp() * 1000 // 1))
    )
    for partition in partitions:
        at = found.get(partition)
        consumer.seek(partition, ends[partition] if at is None else at.offset)
    while not end or any(consumer.position(partition) < ends[partition] for partition in partitions):
        for records in consumer.poll(timeout_ms=_POLL_MS).values():
            for record in records:
                yield decode_change(record.value or b"")


def _is_wanted(event: UserEvent, options: argparse.Namespace) -> bool:
    if options.types and event.type not in options.types:
        return False
    if options.users and event.subject not in options.users:
        return False
    return not options.fields or not event.data.model_fields_set.isdisjoint(options.fields)
