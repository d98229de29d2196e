"""Before the projector projects and the relay relays: the topics, and the identity that makes a topic a log."""

import time
from contextlib import ExitStack, suppress

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from projector.event_log import CLIENT_ID, now
from projector.settings import TopicSettings
from read_models.projector_calls import OtherLog
from runtime.kafka_connection import again_until, options, wait_for_admin
from runtime.startup import StartupError
from user_directory_events import (
    HEADERS,
    LogIdentity,
    LogIdentityData,
    LogRecord,
    Undecodable,
    UnknownSchema,
    decode,
    encode,
)
from user_directory_events.codec import new_event_id
from user_directory_events.topics import (
    Topic,
    WrongTopic,
    changes_topic,
    create_missing,
    events_topic,
    quarantine_topic,
    users_topic,
    verify,
)

_APPEND_TIMEOUT_SECONDS = 10
_ANSWER_MS = 5000


class WrongLog(StartupError):
    """The topic holds something else than a log of this service with these settings."""


def topics_of(settings: TopicSettings) -> list[Topic]:
    """Return the topics that the projector and the relay read and write."""
    copies = {
        "replication_factor": settings.kafka_replication_factor,
        "min_insync_replicas": settings.kafka_min_insync_replicas,
    }
    # One partition of the log is relayed to the same of the public topics.
    alike = {"partitions": settings.kafka_partitions, **copies}
    return [
        events_topic(settings.events_topic, **alike),
        quarantine_topic(settings.quarantine_topic, **copies),
        changes_topic(settings.changes_topic, **alike, retention_hours=settings.changes_retention_hours),
        users_topic(settings.users_topic, **alike),
    ]


def prepare_log(settings: TopicSettings) -> str:
    """Wait for Kafka, create missing topics, check them, and return the log's identity, given to it if it has none.

    Raises:
        StartupError: Kafka does not answer in time, a topic is wrong, or the log belongs to other settings.
    """
    deadline = time.monotonic() + settings.startup_wait_seconds

    def prepare_topics() -> None:
        admin = wait_for_admin(settings, CLIENT_ID, deadline - time.monotonic())
        try:
            topics = topics_of(settings)
            create_missing(admin, topics)
            verify(admin, topics)
        finally:
            admin.close()

    try:
        again_until(deadline, prepare_topics)
    except (WrongTopic, KafkaError) as error:
        raise StartupError(f"Kafka's topics cannot be used: {error or type(error).__name__}") from error
    return identity(settings, deadline)


def startup_error(error: OtherLog) -> StartupError:
    """Say what to do about a Redis that belongs to another log."""
    return StartupError(
        f"Redis holds the read models of another log ({error.log_id}): "
        "set REDIS_URL or REDIS_KEY_PREFIX, or delete its keys, and they come back from this log"
    )


def identity(settings: TopicSettings, deadline: float) -> str:
    """Return the log's identity from the first record of partition 0; append it where the log is empty.

    Args:
        settings: which log.
        deadline: until when a Kafka that does not answer is asked again, by `time.monotonic`.

    Raises:
        StartupError: Kafka does not answer in time, or the topic holds something else.
    """

    def ask() -> str:
        with ExitStack() as stack:
            consumer = KafkaConsumer(
                **options(settings, CLIENT_ID), enable_auto_commit=False, auto_offset_reset="earliest"
            )
            stack.callback(consumer.close)
            producer = KafkaProducer(
                **options(settings, CLIENT_ID), acks="all", delivery_timeout_ms=5000, request_timeout_ms=4000
            )
            stack.callback(producer.close)
            return _first_identity(settings, consumer, producer)

    try:
        return again_until(deadline, ask)
    except KafkaError as error:
        raise StartupError(f"the log's first record cannot be read or written: {error!r}") from error


def _first_identity(settings: TopicSettings, consumer: KafkaConsumer, producer: KafkaProducer) -> str:
    partition = TopicPartition(settings.events_topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    if consumer.end_offsets([partition], timeout_ms=_ANSWER_MS)[partition] == 0:
        identity = LogIdentity(
            id=new_event_id(),
            time=now(),
            data=LogIdentityData(log_id=new_event_id(), partitions=settings.kafka_partitions),
        )
        key, value = encode(identity)
        producer.send(settings.events_topic, key=key, value=value, headers=HEADERS, partition=0).get(
            _APPEND_TIMEOUT_SECONDS
        )
    deadline = time.monotonic() + _APPEND_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        # Of two processes that start a log at once, or of two attempts, the first record wins.
        for records in consumer.poll(timeout_ms=500, max_records=1).values():
            return _checked_identity(settings, records[0].value)
    raise KafkaTimeoutError(f"nothing comes of topic {settings.events_topic}: is a broker down?")


def _checked_identity(settings: TopicSettings, value: bytes) -> str:
    record: LogRecord | None = None
    with suppress(Undecodable, UnknownSchema):
        record = decode(value)
    if not isinstance(record, LogIdentity):
        raise WrongLog(f"topic {settings.events_topic} does not begin with a log identity: set EVENTS_TOPIC to a log's")
    if record.data.partitions != settings.kafka_partitions:
        raise WrongLog(
            f"the log in {settings.events_topic} has {record.data.partitions} partitions for ever: "
            f"set KAFKA_PARTITIONS={record.data.partitions}"
        )
    return record.data.log_id
