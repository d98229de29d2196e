"""What an erasure needs of Kafka: tombstones, ticks that let segments roll, and whether a record is still there."""

from collections.abc import Iterable

from kafka import KafkaConsumer, TopicPartition

from projector.event_log import CLIENT_ID, make_producer, now
from projector.settings import ProjectorSettings
from runtime.kafka_connection import options
from runtime.kafka_producer import ReplaceableProducer
from user_directory_events import HEADERS, Tick, encode
from user_directory_events.codec import new_event_id

_APPEND_TIMEOUT_SECONDS = 10
_POLL_MS = 2000
_CLOSE_SECONDS = 5


class CompactedLog:
    """The log, as one sees it who has records removed from it; its clients connect when they are first needed."""

    def __init__(self, settings: ProjectorSettings) -> None:
        """Take the settings; nothing is connected yet."""
        self._settings = settings
        self._topic = settings.events_topic
        self._producer = ReplaceableProducer(lambda: make_producer(settings), self._topic)
        self._consumer: KafkaConsumer | None = None

    def bury(self, partition: int, event_ids: Iterable[str]) -> None:
        """Append a tombstone for each event, and return when all are there; to do it again is harmless.

        Raises:
            KafkaError: some may be missing.
        """
        self._producer.connect()
        sent = [
            self._producer.send(self._topic, key=event_id.encode(), value=None, partition=partition)
            for event_id in event_ids
        ]
        for future in sent:
            future.get(_APPEND_TIMEOUT_SECONDS)

    def tick(self, partition: int) -> None:
        """Append a tick: the newest segment is never compacted, and becomes an older one only by an append.

        Raises:
            KafkaError: it may be missing.
        """
        self._producer.connect()
        key, value = encode(Tick(id=new_event_id(), time=now()))
        future = self._producer.send(self._topic, key=key, value=value, headers=HEADERS, partition=partition)
        future.get(_APPEND_TIMEOUT_SECONDS)

    def still_holds(self, partition: int, offset: int) -> bool:
        """Say whether the record at an offset is still in the log; also if the broker does not tell in time.

        Raises:
            KafkaError: the broker does not answer.
        """
        if self._consumer is None:
            self._consumer = KafkaConsumer(
                **options(self._settings, CLIENT_ID),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=1,
                request_timeout_ms=10_000,
            )
        place = TopicPartition(self._topic, partition)
        self._consumer.assign([place])
        self._consumer.seek(place, offset)
        for record in self._consumer.poll(timeout_ms=_POLL_MS).get(place, []):
            return bool(record.offset == offset)
        return True

    def close(self) -> None:
        """Close the connections."""
        self._producer.close(_CLOSE_SECONDS)
        if self._consumer is not None:
            self._consumer.close(autocommit=False)
