"""The public topics as other clients read them: librdkafka, Java's console consumer, and our own kit."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from devstack import jars, java
from devstack.settings import from_environ

TOOLS = jars.Jar(
    "org.apache.kafka:kafka-tools:4.3.1", "62f3c5dd7aa3442d4c5bc6a95f86e2502178ea09de8e27f74d9563bf955e253c"
)


@dataclass(frozen=True)
class Read:
    """A committed record as a client tells it."""

    partition: int
    offset: int
    timestamp: int
    headers: tuple[tuple[str, str], ...]
    key: str
    value: str | None


def with_librdkafka(bootstrap: str, topic: str, partitions: int) -> list[Read]:
    """Read a topic to its end with Confluent's client."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": False,
        }
    )
    try:
        ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1] for p in range(partitions)}
        consumer.assign([TopicPartition(topic, p, 0) for p in ends])
        return sorted(_poll(consumer, topic, ends), key=lambda read: (read.partition, read.offset))
    finally:
        consumer.close()


def _poll(consumer: Consumer, topic: str, ends: dict[int, int]) -> Iterator[Read]:
    def behind() -> bool:
        places = consumer.position([TopicPartition(topic, p) for p in ends])
        return any(place.offset < ends[place.partition] for place in places if ends[place.partition] > 0)

    while behind():
        # Its types do not say that headers are pairs here, and that a record has a place.
        message: Any = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        value = message.value()
        headers = tuple((name, raw.decode()) for name, raw in message.headers() or ())
        yield Read(
            message.partition(),
            message.offset(),
            message.timestamp()[1],
            headers,
            message.key().decode(),
            None if value is None else value.decode(),
        )


def with_java(bootstrap: str, topic: str, count: int) -> list[Read]:
    """Read `count` records of a topic with the console consumer of Apache Kafka."""
    cache = from_environ().cache
    classpath = os.pathsep.join(map(str, [*jars.fetch(cache, print), *jars.fetch(cache, print, [TOOLS])]))
    shown = ("timestamp", "partition", "offset", "headers", "key", "value")
    command = [
        str(java.find(print)),
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-cp",
        classpath,
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
    ]
    command += ["--bootstrap-server", bootstrap, "--topic", topic, "--from-beginning", "--timeout-ms", "60000"]
    command += ["--max-messages", str(count), "--isolation-level", "read_committed"]
    for what in shown:
        command += ["--formatter-property", f"print.{what}=true"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=120)
    return sorted(
        (_console_line(line) for line in done.stdout.decode().splitlines()),
        key=lambda read: (read.partition, read.offset),
    )


def _console_line(line: str) -> Read:
    """Take apart `CreateTime:1  Partition:0  Offset:0  content-type:...  key  value`, with tabs between."""
    timestamp, partition, offset, headers, key, value = line.split("\t", 5)
    pairs = (pair.partition(":") for pair in headers.split(",") if headers != "NO_HEADERS")
    return Read(
        int(partition.partition(":")[2]),
        int(offset.partition(":")[2]),
        int(timestamp.partition(":")[2]),
        tuple((name, header) for name, _, header in pairs),
        key,
        None if value == "null" else value,
    )


def parsed(value: str | None) -> object:
    """Return the JSON of a value."""
    return None if value is None else json.loads(value)
