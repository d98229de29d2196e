"""A log in a real Kafka whose events are projected into a real Redis when a test says so, and relays that follow."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from redis import Redis

from devstack.servers import free_port
from projector.log_setup import topics_of
from projector.projection import LogEntry, project
from projector.relay import Relay
from projector.relay_store import RelayStore
from projector.relay_topics import PublicTopics
from projector.settings import ProjectorSettings, RelaySettings
from projector.store import ReadModelStore
from tests.sample_events import EPOCH, epoch_opened
from user_directory_events import HEADERS, LogRecord, Undecodable, UserEvent, decode, encode, new_event_id, partition_of
from user_directory_events.public_topics import decode_change, decode_state
from user_directory_events.topics import create_missing
from user_directory_events.user import User

PARTITIONS = 3


class RelayWorld:
    """One log, its read models, its public topics."""

    def __init__(self, kafka_bootstrap: str, redis_url: str) -> None:
        name = f"relay-{uuid.uuid4().hex[:12]}"
        self.common: dict[str, Any] = {
            "kafka_bootstrap_servers": kafka_bootstrap,
            "redis_url": redis_url,
            "redis_key_prefix": name,
            "events_topic": name,
            "quarantine_topic": f"{name}.quarantine",
            "changes_topic": f"{name}.changes",
            "users_topic": f"{name}.users",
            "kafka_partitions": PARTITIONS,
            "kafka_replication_factor": 1,
            "kafka_min_insync_replicas": 1,
        }
        self.settings = RelaySettings(**self.common, relay_group=name, relay_id="a")
        admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        create_missing(admin, topics_of(self.settings))
        admin.close()
        self.log_id = new_event_id()
        self.redis = Redis.from_url(redis_url)
        self.models = ReadModelStore(ProjectorSettings(**self.common))
        self.entries: list[list[LogEntry]] = [[] for _ in range(PARTITIONS)]
        self._ends = [0] * PARTITIONS
        self._producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, acks="all")
        for partition in range(PARTITIONS):
            self.append(epoch_opened(epoch=EPOCH), partition)

    def close(self) -> None:
        self._producer.close()
        self.models.close()
        self.wipe()
        self.redis.close()

    # --- the log and its projection

    def append(self, record: LogRecord | bytes | None, partition: int | None = None) -> int:
        """Append a record, raw bytes, or None: a tombstone; return its offset."""
        value: bytes | None
        if record is None or isinstance(record, bytes):
            key, value = uuid.uuid4().bytes, record
        else:
            key, value = encode(record)
        if partition is None:
            assert isinstance(record, UserEvent)
            partition = partition_of(record.subject, PARTITIONS)
        sent = self._producer.send(
            self.settings.events_topic, key=key, value=value, headers=HEADERS, partition=partition
        ).get(10)
        self._ends[partition] = sent.offset + 1
        try:
            if value is not None:
                self.entries[partition].append(LogEntry(sent.offset, sent.timestamp, decode(value)))
        except Undecodable:
            pass
        return int(sent.offset)

    def project(self) -> None:
        """Apply all that follows the checkpoints, in small batches."""
        live = self.models.begin(self.log_id, dict.fromkeys(range(PARTITIONS), 0))
        for partition in range(PARTITIONS):
            progress = self.models.progress(live, [partition])[partition]
            entries = [entry for entry in self.entries[partition] if entry.offset >= progress.position]
            while progress.position < self._ends[partition]:
                batch_entries, entries = entries[:20], entries[20:]
                end = entries[0].offset if entries else self._ends[partition]
                events = [entry.record for entry in batch_entries if isinstance(entry.record, UserEvent)]
                users = sorted({event.subject for event in events})
                checkpoint = self.models.load(live, {partition: users})[partition]
                batch, _ = project(
                    batch_entries,
                    partition=partition,
                    position=progress.position,
                    next_position=end,
                    progress=progress,
                    records=checkpoint.records,
                    known_ids=self.models.known_ids(live, [(e.id, e.subject, e.sequence) for e in events]),
                    keys=self.models.keys.generation(live.generation),
                    skew_ms=0,
                )
                assert self.models.apply(live, [batch]) == ["applied"]
                progress = batch.progress

    def write(self, event: UserEvent) -> UserEvent:
        """Append and project an event."""
        self.append(event)
        self.project()
        return event

    def wipe(self) -> None:
        """Delete all read models at once, as a Redis that came back empty."""
        keys = list(self.redis.scan_iter(match=f"{self.settings.redis_key_prefix}:*", count=1000))
        if keys:
            self.redis.delete(*keys)

    # --- relays

    @contextmanager
    def relay(
        self, relay_id: str = "a", topics: Callable[..., PublicTopics] = PublicTopics, **settings: Any
    ) -> Iterator[Relay]:
        """Run a relay in a thread until the block ends."""
        chosen = RelaySettings(
            **self.common, relay_group=self.settings.relay_group, relay_id=relay_id, relay_port=free_port(), **settings
        )
        store = RelayStore(chosen, self.log_id)
        relay = Relay(chosen, store, topics)
        failures: list[BaseException] = []

        def run() -> None:
            try:
                relay.run()
            except BaseException as error:  # noqa: BLE001 - told by the thread of the test
                failures.append(error)

        thread = threading.Thread(target=run, name=f"relay-{relay_id}")
        thread.start()
        try:
            yield relay
        finally:
            relay.stop()
            thread.join(30)
            store.close()
            assert not thread.is_alive()
            assert not failures, failures

    # --- what others read

    def read(self, topic: str, isolation: str = "read_committed") -> list[tuple[int, Any]]:
        """Return all records that are there, with their partitions, in order within each partition."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            isolation_level=isolation,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]
            consumer.assign(partitions)
            # Of a consumer of committed records it is where the oldest open transaction begins.
            ends = consumer.end_offsets(partitions)
            found: list[tuple[int, Any]] = []
            deadline = time.monotonic() + 20
            while any(consumer.position(p) < end for p, end in ends.items()):
                assert time.monotonic() < deadline, "the topic cannot be read to its end"
                for partition, records in consumer.poll(timeout_ms=200).items():
                    found += [(partition.partition, record) for record in records]
            return found
        finally:
            consumer.close()

    def changes(self) -> list[UserEvent]:
        """Return the accepted events that other systems see."""
        found = []
        for partition, record in self.read(self.settings.changes_topic):
            event = decode_change(record.value)
            assert record.key == event.subject.encode()
            assert partition == partition_of(event.subject, PARTITIONS)
            found.append(event)
        return found

    def users(self) -> dict[str, User | None]:
        """Return the newest state of each user that other systems see; None: a tombstone."""
        return {record.key.decode(): decode_state(record.value) for _, record in self.read(self.settings.users_topic)}

    def wait_for_changes(self, *events: UserEvent, seconds: float = 20) -> None:
        """Wait until just these events are told, each once, those of a user in this order."""
        deadline = time.monotonic() + seconds
        while True:
            told = [(event.subject, event.sequence, event.id) for event in self.changes()]
            wanted = [(event.subject, event.sequence, event.id) for event in events]
            if len(told) >= len(wanted) or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        by_user = {user: [entry for entry in told if entry[0] == user] for user, *_ in told}
        assert by_user == {user: [entry for entry in wanted if entry[0] == user] for user, *_ in wanted}
