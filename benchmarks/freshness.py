"""How long after its append each event of the log is visible to readers.

An event is visible once the read models' position in its partition is beyond it. A process of its own looks at the
positions every two milliseconds; the log is read afterwards. An event's time is the broker's, which stamps it before
it is acknowledged, in whole milliseconds: so what is measured is a little more than the way from the acknowledgement.
"""

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection

from kafka import KafkaConsumer, TopicPartition
from redis import Redis

from read_models.keys import Keys
from read_models.records import LivePointer, PartitionProgress

_LOOK_SECONDS = 0.002
_POLL_MS = 1000

Sighting = tuple[float, int]
"""A time in milliseconds since 1970 and a partition's position that was first seen then."""


@dataclass
class Sightings:
    """What was seen of each partition, in order of time."""

    partitions: dict[int, list[Sighting]] = field(default_factory=dict)


@contextmanager
def watching(redis_url: str, prefix: str, partitions: int) -> Iterator[Sightings]:
    """Watch the positions of the read models; what was seen is there once the block has ended."""
    mine, others = multiprocessing.Pipe()
    watcher = multiprocessing.get_context("spawn").Process(target=watch, args=(redis_url, prefix, partitions, others))
    watcher.start()
    found = Sightings()
    try:
        mine.recv()
        yield found
    finally:
        mine.send("stop")
        found.partitions = mine.recv()
        watcher.join()


def watch(redis_url: str, prefix: str, partitions: int, told: Connection) -> None:
    """Look at the positions until the other end says stop, then send the sightings by partition."""
    redis, keys = Redis.from_url(redis_url), Keys(prefix)
    pointer = redis.get(keys.live)
    assert isinstance(pointer, bytes)
    generation = keys.generation(LivePointer.decode(pointer).generation)
    names = [generation.partition(partition) for partition in range(partitions)]
    sightings: dict[int, list[Sighting]] = {partition: [] for partition in range(partitions)}
    seen: Sequence[bytes] = [b""] * partitions
    told.send("watching")
    while not told.poll():
        values: Sequence[bytes] = redis.mget(names)  # type: ignore[assignment]
        now = time.time() * 1000
        for partition, (before, value) in enumerate(zip(seen, values, strict=True)):
            if value != before:
                sightings[partition].append((now, PartitionProgress.decode(value).position))
        seen = values
        time.sleep(_LOOK_SECONDS)
    told.send(sightings)
    redis.close()


def appended(bootstrap: str, topic: str, sightings: Sightings) -> dict[int, list[Sighting]]:
    """Read from the log each record that became visible while somebody watched: its time and its offset."""
    found: dict[int, list[Sighting]] = {}
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        for partition, seen in sightings.partitions.items():
            at, (first, end) = TopicPartition(topic, partition), (seen[0][1], seen[-1][1])
            consumer.assign([at])
            consumer.seek(at, first)
            records: list[Sighting] = []
            while first < end:
                for record in consumer.poll(timeout_ms=_POLL_MS).get(at, ()):
                    first = record.offset + 1
                    if record.offset < end:
                        records.append((record.timestamp, record.offset))
            found[partition] = records
    finally:
        consumer.close()
    return found


def lags(records: Mapping[int, Sequence[Sighting]], sightings: Sightings) -> list[float]:
    """Return in ascending order how long each record took to become visible, in milliseconds."""
    found = []
    for partition, appends in records.items():
        offsets = iter(appends)
        timestamp, offset = next(offsets, (0.0, None))
        for (_, before), (seen_at, position) in pairwise(sightings.partitions[partition]):
            while offset is not None and offset < position:
                if offset >= before:
                    found.append(max(0.0, seen_at - timestamp))
                timestamp, offset = next(offsets, (0.0, None))
    return sorted(found)
