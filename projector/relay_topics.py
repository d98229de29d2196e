"""The log and the public topics as the relay sees them: the one module of this process that knows Kafka."""

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from projector.relay_selection import PublicChange, PublicState
from projector.settings import RelaySettings
from projector.transactions import TRANSACTION_TIMEOUT_MS, OutgoingRecord, TransactionalProducer
from runtime.kafka_connection import options
from runtime.kafka_consumer import keep_rejoining
from user_directory_events.public_topics import CHANGE_HEADERS, STATE_HEADERS, encode_change, encode_state
from user_directory_events.resuming import resume

CLIENT_ID = "user-directory-relay"

_SESSION_TIMEOUT_MS = 6000
_HEARTBEAT_MS = 2000
_COMMITTED_MS = 2000
# What gathers within this time is relayed together: each transaction costs the brokers a marker in every partition.
_GATHER_MS = 100
_GATHER_BYTES = 256 * 1024
_LINGER_MS = 500


class PublicTopics:
    """A member of the relay's consumer group, with a transactional producer for the public topics."""

    def __init__(
        self,
        settings: RelaySettings,
        *,
        on_assigned: Callable[[set[int]], None],
        on_revoked: Callable[[set[int]], None],
    ) -> None:
        """Join the group, once the transactions of an earlier relay of this name are ended.

        Raises:
            KafkaError: the transaction coordinator does not answer, or refuses.
        """
        self._log, self._changes, self._users = settings.events_topic, settings.changes_topic, settings.users_topic
        self._member = ConsumerGroupMetadata(settings.relay_group)
        self._producer = TransactionalProducer(lambda: _make_producer(settings))
        # Now, not with the first partitions: readers wait for what a relay of this name left open.
        self._producer.connect()
        try:
            self._consumer = KafkaConsumer(
                **options(settings, CLIENT_ID),
                group_id=settings.relay_group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                # Also what makes the group's coordinator wait for open transactions before it tells committed offsets.
                isolation_level="read_committed",
                session_timeout_ms=_SESSION_TIMEOUT_MS,
                heartbeat_interval_ms=_HEARTBEAT_MS,
                max_poll_records=settings.relay_batch_events,
                request_timeout_ms=10_000,
                fetch_max_wait_ms=_GATHER_MS,
                fetch_min_bytes=_GATHER_BYTES,
                metrics_enabled=False,
            )
        except BaseException:
            self._producer.close()
            raise
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._consumer.subscribe([self._log], listener=_Listener(self._assigned, self._revoked))

    def poll(self, timeout_ms: int) -> dict[int, Sequence[ConsumerRecord]]:
        """Return the next records by partition, after at most `timeout_ms`."""
        keep_rejoining(self._consumer)
        polled = self._consumer.poll(timeout_ms=timeout_ms)
        return {partition.partition: records for partition, records in polled.items()}

    def committed(self, partitions: Iterable[int]) -> dict[int, int]:
        """Return up to where each partition is relayed, once no transaction about it is open any more.

        Where the group knows nothing of a partition that is where the partition begins.

        Raises:
            KafkaError: it is not known yet.
        """
        # First: it ends what was left open.
        self._producer.connect()
        found: dict[int, int] = {}
        for partition in partitions:
            offset = self._consumer.committed(self._at(partition), timeout_ms=_COMMITTED_MS)
            if offset is None:
                beginning = self._consumer.beginning_offsets([self._at(partition)], timeout_ms=_COMMITTED_MS)
                offset = beginning[self._at(partition)]
            found[partition] = offset
        return found

    def place(self, partition: int, position: int) -> None:
        """Read a partition on from a position."""
        self._consumer.seek(self._at(partition), position)
        resume(self._consumer, self._at(partition))

    def hold(self, partition: int) -> None:
        """Read nothing of a partition until it is placed or released."""
        self._consumer.pause(self._at(partition))

    def release(self, partition: int) -> None:
        """Read a partition on that was held."""
        resume(self._consumer, self._at(partition))

    def lag(self, partition: int, position: int) -> int | None:
        """Return how many offsets the log's end is ahead of a position; None: not known yet."""
        end = self._consumer.highwater(self._at(partition))
        return None if end is None else max(0, end - position)

    def commit(
        self, changes: Sequence[PublicChange], states: Sequence[PublicState], positions: Mapping[int, int]
    ) -> None:
        """Write changes and states, and commit the positions behind them, all or nothing.

        Raises:
            KafkaError: not committed, or it is not known: go on from `committed`.
        """
        records = []
        for change in changes:
            key, value = encode_change(change.event)
            records.append(
                OutgoingRecord(self._changes, change.partition, key, value, CHANGE_HEADERS, change.timestamp)
            )
        for state in states:
            key, document = encode_state(state.user_id, state.document)
            records.append(OutgoingRecord(self._users, state.partition, key, document, STATE_HEADERS))
        offsets = {self._at(p): OffsetAndMetadata(position, "", -1) for p, position in positions.items()}
        self._producer.commit(records, offsets, self._member)

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self._producer.close()
        self._consumer.close(autocommit=False)

    def _assigned(self, partitions: Sequence[TopicPartition]) -> None:
        if partitions:
            self._consumer.pause(*partitions)
        # The membership under which everything is read until the next call: a later one, or none at all, would let
        # offsets pass that belong to somebody else by now.
        self._member = self._consumer.group_metadata()
        self._on_assigned({partition.partition for partition in partitions})

    def _revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self._on_revoked({partition.partition for partition in partitions})

    def _at(self, partition: int) -> TopicPartition:
        return TopicPartition(self._log, partition)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tell of partitions that come and go; both happen within a poll, so never while a transaction is open."""

    def __init__(
        self,
        on_assigned: Callable[[Sequence[TopicPartition]], None],
        on_revoked: Callable[[Sequence[TopicPartition]], None],
    ) -> None:
        self._on_assigned, self._on_revoked = on_assigned, on_revoked

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._on_assigned(list(assigned))

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._on_revoked(list(revoked))


def _make_producer(settings: RelaySettings) -> KafkaProducer:
    name = settings.relay_id or f"{socket.gethostname()}-{settings.relay_port}"
    return KafkaProducer(
        **options(settings, CLIENT_ID),
        transactional_id=f"{settings.relay_group}-{name}",
        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        acks="all",
        delivery_timeout_ms=4000,
        request_timeout_ms=3000,
        max_block_ms=5000,
        # A transaction that begins right after another is put off by this, as the coordinator still writes markers.
        retry_backoff_ms=20,
        max_in_flight_requests_per_connection=1,
        # One request for a transaction: what is sent waits for the flush behind the last record of it.
        linger_ms=_LINGER_MS,
        batch_size=_GATHER_BYTES,
        metrics_enabled=False,
    )
