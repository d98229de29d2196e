"""The log as it is read once more, by whoever is no member of the projector's group."""

from collections.abc import Iterable, Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from projector.event_log import CLIENT_ID, READING_ON
from projector.settings import ProjectorSettings
from runtime.kafka_connection import options
from user_directory_events.resuming import resume

_TIMEOUT_MS = 5000


class LogReader:
    """Reads chosen partitions, each from where it was placed."""

    def __init__(self, settings: ProjectorSettings, partitions: Iterable[int]) -> None:
        self._topic = settings.events_topic
        self._partitions = list(partitions)
        self._consumer = KafkaConsumer(
            **options(settings, CLIENT_ID),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **READING_ON,
            request_timeout_ms=10_000,
        )
        self._consumer.assign([self._at(partition) for partition in self._partitions])

    def first_positions(self) -> dict[int, int]:
        """Return where each partition begins."""
        found = self._consumer.beginning_offsets(list(map(self._at, self._partitions)), timeout_ms=_TIMEOUT_MS)
        return {partition.partition: offset for partition, offset in found.items()}

    def end_positions(self) -> dict[int, int]:
        """Return the offset behind the last record that can be read, of each partition."""
        found = self._consumer.end_offsets(list(map(self._at, self._partitions)), timeout_ms=_TIMEOUT_MS)
        return {partition.partition: offset for partition, offset in found.items()}

    def place(self, partition: int, position: int) -> None:
        """Read a partition on from a position."""
        self._consumer.seek(self._at(partition), position)

    def position(self, partition: int) -> int:
        """Return the offset that is read next; at the end of the log it is behind all records, also those removed."""
        position: int = self._consumer.position(self._at(partition))
        return position

    def read_only(self, partitions: Iterable[int]) -> None:
        """Read these partitions and no others for now."""
        chosen = set(partitions)
        self._consumer.pause(*(self._at(p) for p in self._partitions if p not in chosen))
        resume(self._consumer, *(self._at(p) for p in chosen))

    def poll(self, timeout_ms: int) -> dict[int, Sequence[ConsumerRecord]]:
        """Return the next records by partition, after at most `timeout_ms`."""
        polled = self._consumer.poll(timeout_ms=timeout_ms)
        return {partition.partition: records for partition, records in polled.items()}

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def _at(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)
