"""The log in Kafka as the projector sees it: the one module of this process that knows Kafka."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import OffsetAndMetadata

from projector.settings import ProjectorSettings
from runtime.kafka_connection import options
from runtime.kafka_consumer import keep_rejoining
from runtime.kafka_producer import ReplaceableProducer
from user_directory_events import HEADERS, EpochOpened, EpochOpenedData, Tick, encode
from user_directory_events.codec import new_event_id
from user_directory_events.resuming import resume
from user_directory_events.timestamps import from_milliseconds

CLIENT_ID = "user-directory-projector"

_SESSION_TIMEOUT_MS = 6000
_HEARTBEAT_MS = 2000
_APPEND_TIMEOUT_SECONDS = 10
# A poll tells of several partitions, as their batches are applied in turns; by default it would empty the megabyte that
# was fetched of one before it looks at the next.
READING_ON: Final[Mapping[str, int]] = {
    "max_poll_records": 2000,
    "max_partition_fetch_bytes": 256 * 1024,
    "fetch_max_wait_ms": 200,
}
_CLOSE_SECONDS = 5


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
        self._producer = ReplaceableProducer(lambda: make_producer(settings), settings.events_topic)
        self._producer.connect()
        try:
            self._consumer = KafkaConsumer(
                **options(settings, CLIENT_ID),
                group_id=settings.projector_group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=_SESSION_TIMEOUT_MS,
                heartbeat_interval_ms=_HEARTBEAT_MS,
                **READING_ON,
                request_timeout_ms=10_000,
                metrics_enabled=False,
            )
        except BaseException:
            self._producer.close(0)
            raise
        self._consumer.subscribe([self._topic], listener=_Listener(self._consumer, on_assigned, on_revoked))

    def poll(self, timeout_ms: int) -> dict[int, Sequence[ConsumerRecord]]:
        """Return the next records by partition, after at most `timeout_ms`."""
        keep_rejoining(self._consumer)
        polled = self._consumer.poll(timeout_ms=timeout_ms)
        return {partition.partition: records for partition, records in polled.items()}

    def first_positions(self, partitions: Iterable[int]) -> dict[int, int]:
        """Return where each partition begins."""
        found = self._consumer.beginning_offsets([self._at(p) for p in partitions], timeout_ms=5000)
        return {partition.partition: offset for partition, offset in found.items()}

    def place(self, partition: int, position: int) -> None:
        """Read a partition on from a position."""
        self._consumer.seek(self._at(partition), position)
        resume(self._consumer, self._at(partition))

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
        self._producer.connect()
        futures = {}
        for partition in self._partitions:
            record = EpochOpened(id=new_event_id(), time=now(), data=EpochOpenedData(epoch=epoch))
            key, value = encode(record)
            futures[partition] = self._producer.send(
                self._topic, key=key, value=value, headers=HEADERS, partition=partition
            )
        return {partition: future.get(_APPEND_TIMEOUT_SECONDS).offset for partition, future in futures.items()}

    def append_tick(self, partition: int) -> None:
        """Append a tick; it may be lost, the next one follows in a second."""
        self._producer.connect()
        key, value = encode(Tick(id=new_event_id(), time=now()))
        self._producer.send(self._topic, key=key, value=value, headers=HEADERS, partition=partition)

    def quarantine(self, partition: int, record: ConsumerRecord, reason: str) -> None:
        """Copy a record to the quarantine topic, and return when it is there.

        Raises:
            KafkaError: it may be missing.
        """
        self._producer.connect()
        headers = [*record.headers, ("partition", b"%d" % partition), ("offset", b"%d" % record.offset)]
        headers += [("timestamp", b"%d" % record.timestamp), ("reason", reason.encode())]
        key = f"{partition}-{record.offset}".encode()
        self._producer.send(self._quarantine, key=key, value=record.value or b"", headers=headers).get(
            _APPEND_TIMEOUT_SECONDS
        )

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self._consumer.close(autocommit=False)
        self._producer.close(_CLOSE_SECONDS)

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


def make_producer(settings: ProjectorSettings) -> KafkaProducer:
    """Make a producer whose every record is either on all in-sync replicas or failed within five seconds."""
    return KafkaProducer(
        **options(settings, CLIENT_ID),
        acks="all",
        delivery_timeout_ms=5000,
        request_timeout_ms=4000,
        max_block_ms=2000,
    )


def now() -> str:
    """Return the time as events carry it."""
    return from_milliseconds(time.time_ns() // 1_000_000)
