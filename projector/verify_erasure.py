"""`python -m projector verify-erasure`: is anything left of a person who was erased?"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import AuthorizationError, KafkaError
from pydantic_core import from_json
from redis import Redis
from redis.exceptions import RedisError

from projector.log_setup import topics_of
from projector.settings import ProjectorSettings
from read_models.ids import raw_id, shorten
from read_models.words import fold
from runtime.kafka_connection import options
from runtime.settings import load
from runtime.startup import StartupError
from user_directory_events.timestamps import from_milliseconds

NOTHING_LEFT, TRACES = 0, 1

_CLIENT_ID = "user-directory-verify-erasure"
_POLL_MS = 1000
_SILENT_POLLS = 10
_SCAN = 1000


class Needles:
    """What tells of one person: the id, and values that were theirs."""

    def __init__(self, user_id: str, values: Sequence[str]) -> None:
        """Take the id and the values; case, accents and JSON's escapes are seen through."""
        self._ids = [user_id.encode(), raw_id(user_id), shorten(user_id).encode()]
        folded = {fold(value) for value in values}
        self._values = folded | {json.dumps(value)[1:-1].casefold() for value in folded}

    def name_user(self, *texts: bytes) -> bool:
        """Say whether the user's id, in any of its forms, is in a text."""
        return any(needle in text for needle in self._ids for text in texts)

    def hold_value(self, *texts: bytes) -> bool:
        """Say whether one of the values is in a text."""
        folded = [fold(text.decode(errors="replace")) for text in texts]
        return any(needle in text for needle in self._values for text in folded)


def main(arguments: Sequence[str]) -> int:
    """Look everywhere for one person, print each trace, and return the exit status: 0 none, 1 some."""
    parser = argparse.ArgumentParser(prog="python -m projector verify-erasure", description=__doc__)
    parser.add_argument("user", metavar="USER", help="the id of the user who was erased")
    parser.add_argument(
        "--values", metavar="FILE", help="values that were the person's, one a line, to look for; - is standard input"
    )
    asked = parser.parse_args(arguments)
    settings = load(ProjectorSettings)
    user = asked.user.lower()
    needles = Needles(user, _read_values(asked.values))
    try:
        traces = [*traces_in_kafka(settings, user, needles), *traces_in_redis(settings, user, needles)]
    except AuthorizationError as error:
        raise StartupError(
            f"Kafka lets nobody of this name read every topic ({type(error).__name__}): "
            "give the name of KAFKA_SASL_USERNAME the rights of auditor in docs/security.md"
        ) from error
    except KafkaError as error:
        raise StartupError(
            f"Kafka at KAFKA_BOOTSTRAP_SERVERS does not answer ({type(error).__name__}): set KAFKA_BOOTSTRAP_SERVERS"
        ) from error
    except RedisError as error:
        raise StartupError(f"Redis at REDIS_URL does not answer ({type(error).__name__}): set REDIS_URL") from error
    for trace in traces:
        print(trace)
    found = len(traces)
    print(f"{found} traces" if found else "nothing is left")
    return TRACES if found else NOTHING_LEFT


def _read_values(path: str | None) -> list[str]:
    if path is None:
        return []
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"the values in {path} cannot be read: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def traces_in_kafka(settings: ProjectorSettings, user_id: str, needles: Needles) -> Iterator[str]:
    """Read every record of every topic of the directory; give the place of each that tells of the person.

    Raises:
        KafkaError: the brokers do not answer.
        StartupError: they stop answering.
    """
    for topic in topics_of(settings):
        for record in _records(settings, topic.name):
            texts = [record.key or b"", record.value or b"", *(value for _, value in record.headers)]
            if needles.hold_value(*texts) or (needles.name_user(*texts) and not _is_erasure(record.value, user_id)):
                when = from_milliseconds(record.timestamp)
                yield f"kafka: {topic.name}, partition {record.partition}, offset {record.offset}, of {when}"


def _records(settings: ProjectorSettings, topic: str) -> Iterator[Any]:
    consumer = KafkaConsumer(
        **options(settings, _CLIENT_ID), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        places = [TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic) or ()]
        if not places:
            return
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        left = {place: end for place, end in consumer.end_offsets(places).items() if end > consumer.position(place)}
        silent = 0
        while left:
            polled = consumer.poll(timeout_ms=_POLL_MS)
            for records in polled.values():
                yield from records
            before = len(left)
            left = {place: end for place, end in left.items() if consumer.position(place) < end}
            silent = 0 if polled or len(left) < before else silent + 1
            if silent >= _SILENT_POLLS:
                raise StartupError(f"Kafka gave no more of {topic}: try again")
    finally:
        consumer.close(autocommit=False)


def _is_erasure(value: bytes | None, user_id: str) -> bool:
    """Say whether a record is one that an erasure leaves: the event, which has no personal data, or a tombstone."""
    if value is None:
        return True
    try:
        event = from_json(value)
    except ValueError:
        return False
    return isinstance(event, dict) and (event.get("type"), event.get("subject")) == ("user.erased", user_id)


def traces_in_redis(settings: ProjectorSettings, user_id: str, needles: Needles) -> Iterator[str]:
    """Read every key of the directory; give those that tell of the person.

    Raises:
        RedisError: Redis does not answer.
    """
    with Redis.from_url(settings.redis_address, socket_timeout=30, socket_connect_timeout=2) as redis:
        for key in redis.scan_iter(f"{settings.redis_key_prefix}:*", count=_SCAN):
            read = _READERS.get(kind := redis.type(key).decode())
            if read is None:
                # It expired in this moment.
                continue
            contents = read(redis, key)
            if needles.hold_value(key, *contents) or (
                needles.name_user(key, *contents) and not _is_left_over(key, contents, user_id)
            ):
                yield f"redis: {key!r} ({kind})"


def _is_left_over(key: bytes, contents: Sequence[bytes], user_id: str) -> bool:
    """Say whether a key is what an erasure leaves: the record that keeps the id taken, and the erasing event."""
    raw = raw_id(user_id)
    if key.endswith(b":u:" + raw):
        return contents[0].split(b" ", 4)[3] == b"E"
    if key.endswith(b":h:" + raw):
        return len(contents) == 1 and b" user.erased/" in contents[0]
    # An idempotency key leads to the ids of the user and the event, and for a day.
    if b":idempotency:" in key:
        return True
    # The change feed tells of the erasure.
    if b":changes:" in key:
        about_user = [entry for entry in contents if user_id.encode() in entry]
        return all(b"user.erased" in entry for entry in about_user)
    return False


def _hash(redis: Any, key: bytes) -> list[bytes]:
    return [part for pair in redis.hgetall(key).items() for part in pair]


def _stream(redis: Any, key: bytes) -> list[bytes]:
    return [b" ".join(fields.values()) for _, fields in redis.xrange(key)]


_READERS: dict[str, Callable[[Any, bytes], list[bytes]]] = {
    "string": lambda redis, key: [redis.get(key) or b""],
    "list": lambda redis, key: redis.lrange(key, 0, -1),
    "set": lambda redis, key: list(redis.smembers(key)),
    "zset": lambda redis, key: redis.zrange(key, 0, -1),
    "hash": _hash,
    "stream": _stream,
}
