"""The log in Kafka as the projector sees it: the one module of this process that knows Kafka."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from projector.settings import ProjectorSettings
from runtime.startup import StartupError
from user_directory_events import (
    HEADERS,
    EpochOpened,
    EpochOpenedData,
    LogIdentity,
    LogIdentityData,
    Tick,
    decode,
    encode,
)
from user_directory_events.codec import new_event_id
from user_directory_events.timestamps import from_milliseconds
from user_directory_events.topics import Topic, WrongTopic, create_missing, events_topic, quarantine_topic, verify

_SESSION_TIMEOUT_MS = 6000
_HEARTBEAT_MS = 2000
_APPEND_TIMEOUT_SECONDS = 10
_RECONNECT_MAX_MS = 1000


class WrongLog(StartupError):
    """The topic holds something else than a log of this service with these settings."""


def topics_of(settings: ProjectorSettings) -> list[Topic]:
    """Return the topics that this process reads and writes."""
    copies = {
        "replication_factor": settings.kafka_replication_factor,
        "min_insync_replicas": settings.kafka_min_insync_replicas,
    }
    return [
        events_topic(settings.events_topic, partitions=settings.kafka_partitions, **copies),
        quarantine_topic(settings.quarantine_topic, **copies),
    ]


def prepare_log(settings: ProjectorSettings) -> str:
    """Wait for Kafka, create missing topics, check them, and return the log's identity, given to it if it has none.

    Raises:
        StartupError: Kafka does not answer in time, a topic is wrong, or the log belongs to other settings.
    """
    admin = _connect_admin(settings)
    try:
        topics = topics_of(settings)
        create_missing(admin, topics)
        verify(admin, topics)
    except (WrongTopic, KafkaError) as error:
        raise StartupError(f"Kafka's topics cannot be used: {error or type(error).__name__}") from error
    finally:
        admin.close()
    return _identity(settings)


def _connect_admin(settings: ProjectorSettings) -> KafkaAdminClient:
    deadline = time.monotonic() + settings.startup_wait_seconds
    while True:
        try:
            return KafkaAdminClient(**_connection(settings))
        except KafkaError as error:
            if time.monotonic() > deadline:
                raise StartupError(
                    f"Kafka at {settings.kafka_bootstrap_servers} does not answer ({type(error).__name__}): "
                    "start it or set KAFKA_BOOTSTRAP_SERVERS"
                ) from error
            time.sleep(0.5)


def _identity(settings: ProjectorSettings) -> str:
    """Return the log's identity from the first record of partition 0; append it where the log is empty."""
    partition = TopicPartition(settings.events_topic, 0)
    consumer = KafkaConsumer(**_connection(settings), enable_auto_commit=False, auto_offset_reset="earliest")
    producer = KafkaProducer(**_connection(settings), acks="all", delivery_timeout_ms=5000, request_timeout_ms=4000)
    try:
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        if consumer.end_offsets([partition])[partition] == 0:
            identity = LogIdentity(
                id=new_event_id(),
                time=_now(),
                data=LogIdentityData(log_id=new_event_id(), partitions=settings.kafka_partitions),
            )
            key, value = encode(identity)
            producer.send(settings.events_topic, key=key, value=value, headers=HEADERS, partition=0).get(10)
        deadline = time.monotonic() + _APPEND_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            # Of two processes that start a log at once the first record wins, for both.
            for records in consumer.poll(timeout_ms=500, max_records=1).values():
                return _checked_identity(settings, records[0].value)
    except KafkaError as error:
        raise StartupError(f"the log's first record cannot be read or written: {error!r}") from error
    finally:
        consumer.close()
        producer.close()
    raise StartupError(f"the first record of topic {settings.events_topic} cannot be read: is a broker down?")


def _checked_identity(settings: ProjectorSettings, value: bytes) -> str:
    record = decode(value)
    if not isinstance(record, LogIdentity):
        raise WrongLog(f"topic {settings.events_topic} does not begin with a log identity: set EVENTS_TOPIC to a log's")
    if record.data.partitions != settings.kafka_partitions:
        raise WrongLog(
            f"the log in {settings.events_topic} has {record.data.partitions} partitions for ever: "
            f"set KAFKA_PARTITIONS={record.data.partitions}"
        )
    return record.data.log_id


class EventLog:
    """A member of the projector's consumer group, with a producer for control records and the quarantine."""

    def __init__(
        self,
        settings: ProjectorSettings,
        *,
        on_assigned: Callable[[set[int]], None],
        on_revoked: Callable[[set[int]], None],
    ) -> None:
        self._topic = settings.events_topic
        self._quarantine = settings.quarantine_topic
        self._partitions = range(settings.kafka_partitions)
        self._producer = KafkaProducer(
            **_connection(settings), acks="all", delivery_timeout_ms=5000, request_timeout_ms=4000, max_block_ms=2000
        )
        self._consumer = KafkaConsumer(
            **_connection(settings),
            group_id=settings.projector_group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=_SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=_HEARTBEAT_MS,
            max_poll_records=500,
            request_timeout_ms=10_000,
            fetch_max_wait_ms=200,
        )
        self._consumer.subscribe([self._topic], listener=_Listener(self._consumer, on_assigned, on_revoked))

    def poll(self, timeout_ms: int) -> dict[int, Sequence[ConsumerRecord]]:
        """Return the next records by partition, after at most `timeout_ms`."""
        polled = self._consumer.poll(timeout_ms=timeout_ms)
        return {partition.partition: records for partition, records in polled.items()}

    def first_positions(self, partitions: Iterable[int]) -> dict[int, int]:
        """Return where each partition begins."""
        found = self._consumer.beginning_offsets([self._at(p) for p in partitions], timeout_ms=5000)
        return {partition.partition: offset for partition, offset in found.items()}

    def place(self, partition: int, position: int) -> None:
        """Read a partition on from a position."""
        self._consumer.seek(self._at(partition), position)
        self._consumer.resume(self._at(partition))

    def hold(self, partition: int) -> None:
        """Read nothing of a partition until it is placed."""
        self._consumer.pause(self._at(partition))

    def lag(self, partition: int, position: int) -> int | None:
        """Return how many offsets the log's end is ahead of a position; None: not known yet."""
        end = self._consumer.highwater(self._at(partition))
        return None if end is None else max(0, end - position)

    def commit(self, positions: Mapping[int, int]) -> None:
        """Commit positions to the group: for those who watch its lag, and to learn whether we still are a member.

        Raises:
            KafkaError: not committed.
        """
        offsets = {self._at(p): OffsetAndMetadata(position, "", -1) for p, position in positions.items()}
        self._consumer.commit(offsets, timeout_ms=3000)

    def append_epoch(self, epoch: str) -> dict[int, int]:
        """Append the epoch's record to every partition; return the offset in each.

        Raises:
            KafkaError: some may be missing.
        """
        futures = {}
        for partition in self._partitions:
            record = EpochOpened(id=new_event_id(), time=_now(), data=EpochOpenedData(epoch=epoch))
            key, value = encode(record)
            futures[partition] = self._producer.send(
                self._topic, key=key, value=value, headers=HEADERS, partition=partition
            )
        return {partition: future.get(_APPEND_TIMEOUT_SECONDS).offset for partition, future in futures.items()}

    def append_tick(self, partition: int) -> None:
        """Append a tick; it may be lost, the next one follows in a second."""
        key, value = encode(Tick(id=new_event_id(), time=_now()))
        self._producer.send(self._topic, key=key, value=value, headers=HEADERS, partition=partition)

    def quarantine(self, partition: int, record: ConsumerRecord, reason: str) -> None:
        """Copy a record to the quarantine topic, and return when it is there.

        Raises:
            KafkaError: it may be missing.
        """
        headers = [*record.headers, ("partition", b"%d" % partition), ("offset", b"%d" % record.offset)]
        headers += [("timestamp", b"%d" % record.timestamp), ("reason", reason.encode())]
        key = f"{partition}-{record.offset}".encode()
        self._producer.send(self._quarantine, key=key, value=record.value or b"", headers=headers).get(
            _APPEND_TIMEOUT_SECONDS
        )

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self._consumer.close(autocommit=False)
        self._producer.close(timeout=5)

    def _at(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Hold each new partition until the projector has placed it at the checkpoint."""

    def __init__(
        self, consumer: KafkaConsumer, on_assigned: Callable[[set[int]], None], on_revoked: Callable[[set[int]], None]
    ) -> None:
        self._consumer, self._on_assigned, self._on_revoked = consumer, on_assigned, on_revoked

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        partitions = list(assigned)
        if partitions:
            self._consumer.pause(*partitions)
        self._on_assigned({partition.partition for partition in partitions})

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._on_revoked({partition.partition for partition in revoked})


def _connection(settings: ProjectorSettings) -> dict[str, object]:
    return {
        "bootstrap_servers": settings.kafka_bootstrap_servers.split(","),
        "client_id": "user-directory-projector",
        "reconnect_backoff_max_ms": _RECONNECT_MAX_MS,
        "bootstrap_timeout_ms": 5000,
    }


def _now() -> str:
    return from_milliseconds(time.time_ns() // 1_000_000)
