"""The public topics in Kafka: the one module of the kit's following that knows it."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import CommitFailedError, OffsetOutOfRangeError, RebalanceInProgressError
from kafka.structs import OffsetAndMetadata

from user_directory_events.consumer.checkpoint import Checkpoint, Place
from user_directory_events.consumer.follower import Follower, Progress
from user_directory_events.consumer.overlap import KnownVersion
from user_directory_events.consumer.topics import CheckpointTooOld, TopicMissing, TopicRecord
from user_directory_events.resuming import resume

_READ = {"isolation_level": "read_committed", "enable_auto_commit": False, "auto_offset_reset": "none"}
_PATIENCE_MS = 30_000


def follow(
    bootstrap_servers: str,
    *,
    checkpoint: Checkpoint | None = None,
    known_version: KnownVersion | None = None,
    observe: Callable[[Progress], None] | None = None,
    changes_topic: str = "user-changes",
    users_topic: str = "users",
    **kafka_options: Any,
) -> Follower:
    """Follow the whole directory from a checkpoint of your own.

    Args:
        bootstrap_servers: brokers, `host:port` with commas between.
        checkpoint: see `Follower`.
        known_version: see `Follower`.
        observe: see `Follower`.
        changes_topic: what `user-changes` is called there.
        users_topic: what `users` is called there.
        kafka_options: further options of kafka-python's consumers, such as `security_protocol`.

    Raises:
        TopicMissing: a topic is not there.
        KafkaError: Kafka does not answer.
    """
    options = {"bootstrap_servers": bootstrap_servers.split(","), **kafka_options}
    topics = KafkaTopics(options, changes_topic, users_topic, group=None)
    return Follower(topics, checkpoint=checkpoint, known_version=known_version, observe=observe)


def follow_as_group(
    bootstrap_servers: str,
    group: str,
    *,
    known_version: KnownVersion | None = None,
    observe: Callable[[Progress], None] | None = None,
    changes_topic: str = "user-changes",
    users_topic: str = "users",
    **kafka_options: Any,
) -> Follower:
    """Follow the directory together with other processes of a consumer group, each with a part of the users.

    Takes what `follow` takes, and the group's name; the group keeps the place. Each partition that the group never read
    is loaded first.
    """
    options = {"bootstrap_servers": bootstrap_servers.split(","), **kafka_options}
    topics = KafkaTopics(options, changes_topic, users_topic, group=group)
    return Follower(topics, known_version=known_version, observe=observe)


class KafkaTopics:
    """See `Topics`. A partition of `users` is that of `user-changes`, so both are read by the same process."""

    def __init__(self, options: Mapping[str, Any], changes_topic: str, users_topic: str, *, group: str | None) -> None:
        self._options, self._group = options, group
        self._names = {"changes": changes_topic, "users": users_topic}
        self._assigned: set[int] = set()
        self._came: set[int] = set()
        self._gone: set[int] = set()
        self._loading: set[int] = set()
        self._committed: dict[int, int] = {}
        self._consumers: dict[str, KafkaConsumer] = {
            "changes": KafkaConsumer(**options, **_READ, group_id=group),
            "users": KafkaConsumer(**options, **_READ, group_id=None),
        }
        try:
            self._join()
        except BaseException:
            self.close()
            raise

    def rebalanced(self) -> tuple[set[int], set[int]]:
        """See `Topics`."""
        gone, came = self._gone, self._came
        self._gone, self._came = set(), set()
        return gone, came

    def committed(self, partition: int) -> int | None:
        """See `Topics`."""
        if self._group is None:
            return None
        offset: int | None = self._consumers["changes"].committed(self._at("changes", partition))
        return offset

    def beginning(self, partition: int) -> Place:
        """See `Topics`.

        First the end of the changes, then that of the states: every change before the one was written in a transaction
        with its state, which so lies before the other. That transaction may not show in `users` yet, so it is the end
        of all records that counts, committed or not.
        """
        changes = self._consumers["changes"].end_offsets([self._at("changes", partition)])
        users = self._at("users", partition)
        if "uncommitted" not in self._consumers:
            everything = KafkaConsumer(**self._options, isolation_level="read_uncommitted", group_id=None)
            self._consumers["uncommitted"] = everything
        until = self._consumers["uncommitted"].end_offsets([users])[users]
        begin = self._consumers["users"].beginning_offsets([users])[users]
        return Place(changes[self._at("changes", partition)], begin, until)

    def place(self, partition: int, place: Place) -> None:
        """See `Topics`."""
        if place.loading:
            self._loading.add(partition)
        else:
            self._loading.discard(partition)
        self._consumers["users"].assign([self._at("users", p) for p in sorted(self._loading)])
        if place.loading:
            self._consumers["users"].seek(self._at("users", partition), place.users)
            return
        self._consumers["changes"].seek(self._at("changes", partition), place.changes)
        resume(self._consumers["changes"], self._at("changes", partition))

    def poll(self, timeout: float) -> list[TopicRecord]:
        """See `Topics`."""
        loading = bool(self._loading)
        records = self._poll("users", timeout) if loading else []
        # Also asked while everything is being loaded: it keeps the membership of the group.
        return records + self._poll("changes", 0 if loading else timeout)

    def position(self, topic: Literal["users", "changes"], partition: int) -> int:
        """See `Topics`."""
        position: int = self._consumers[topic].position(self._at(topic, partition))
        return position

    def ends(self) -> Mapping[int, int]:
        """See `Topics`."""
        ends = self._consumers["changes"].end_offsets([self._at("changes", p) for p in sorted(self._assigned)])
        return {partition.partition: end for partition, end in ends.items()}

    def commit(self, offsets: Mapping[int, int]) -> None:
        """See `Topics`."""
        if self._group is None or not (news := {p: o for p, o in offsets.items() if self._committed.get(p) != o}):
            return
        places = {self._at("changes", p): OffsetAndMetadata(offset, "", -1) for p, offset in news.items()}
        try:
            self._consumers["changes"].commit(places)
        except (CommitFailedError, RebalanceInProgressError):
            # The group is giving partitions to others, who go on where it was committed last; a poll tells which. What
            # is still ours then is committed with the next batch.
            return
        self._committed.update(news)

    def close(self) -> None:
        """See `Topics`."""
        for consumer in self._consumers.values():
            consumer.close(autocommit=False)

    def _join(self) -> None:
        partitions = {topic: self._partitions(topic) for topic in ("changes", "users")}
        if partitions["changes"] != partitions["users"]:
            raise TopicMissing(
                f"{self._names['changes']} has {len(partitions['changes'])} partitions and {self._names['users']} has "
                f"{len(partitions['users'])}: they are no topics of one directory"
            )
        consumer = self._consumers["changes"]
        if self._group is not None:
            consumer.subscribe([self._names["changes"]], listener=_Listener(self._assign, self._revoke))
            return
        consumer.assign([self._at("changes", p) for p in partitions["changes"]])
        self._assign(partitions["changes"])

    def _partitions(self, topic: str) -> set[int]:
        name = self._names[topic]
        if name not in self._consumers[topic].topics():
            raise TopicMissing(f"topic {name} does not exist: does the relay run?")
        return set(self._consumers[topic].partitions_for_topic(name))

    def _assign(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self._consumers["changes"].pause(self._at("changes", partition))
            # Any place will do until it is placed; without one the consumer asks the group, and fails if it has none.
            self._consumers["changes"].seek(self._at("changes", partition), 0)
        self._assigned |= set(partitions)
        self._came |= set(partitions)

    def _revoke(self, partitions: Collection[int]) -> None:
        self._assigned -= set(partitions)
        self._came -= set(partitions)
        self._gone |= set(partitions)
        self._loading -= set(partitions)
        for partition in partitions:
            self._committed.pop(partition, None)

    def _poll(self, topic: Literal["users", "changes"], timeout: float) -> list[TopicRecord]:
        try:
            polled = self._consumers[topic].poll(timeout_ms=round(timeout * 1000))
        except OffsetOutOfRangeError as error:
            raise CheckpointTooOld(
                f"what follows the checkpoint is no longer in {self._names[topic]}: start again without one"
            ) from error
        return [
            TopicRecord(topic, at.partition, record.offset, record.timestamp, record.key, record.value)
            for at, records in polled.items()
            for record in records
        ]

    def _at(self, topic: str, partition: int) -> TopicPartition:
        return TopicPartition(self._names[topic], partition)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tell of partitions that come and go, which happens within a poll."""

    def __init__(
        self, on_assigned: Callable[[Collection[int]], None], on_revoked: Callable[[Collection[int]], None]
    ) -> None:
        self._on_assigned, self._on_revoked = on_assigned, on_revoked

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._on_assigned([partition.partition for partition in assigned])

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._on_revoked([partition.partition for partition in revoked])
