"""Partitions that are read on after they were paused, as kafka-python does not always."""

from typing import Any

from kafka import TopicPartition


def resume(consumer: Any, *partitions: TopicPartition) -> None:
    """Let a `KafkaConsumer` read paused partitions on; use it instead of its own `resume`.

    kafka-python (3.0.12) puts records of a paused partition aside that it has taken apart already. It looks there again
    only while no other partition's records are in hand, in which even those count that are used up: most often never.
    Meanwhile it does not fetch the partition either. What lies there is dropped here, so it is fetched once more.
    """
    for partition in partitions:
        aside = consumer._fetcher._paused_partition_records.pop(partition, None)
        if aside is not None:
            aside.drain()
    consumer.resume(*partitions)
