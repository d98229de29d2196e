"""The full history: the log of record from its beginning, each record with its verdict. Needs the extra `kafka`."""

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition

from user_directory_events.codec import UnknownSchema
from user_directory_events.consumer.topics import TopicMissing
from user_directory_events.log_verdicts import Judged, PartitionVerdicts

OnUnknown = Callable[[str, str], None]
"""Takes the place and the reason."""

_POLL_MS = 500


class History:
    """A reader of `user-events`. It begins at the beginning always, as a verdict depends on all that was before.

    Args:
        bootstrap_servers: brokers, `host:port` with commas between.
        topic: what `user-events` is called there.
        partitions: which to read; by default all. A partition can be judged by itself.
        kafka_options: further options of kafka-python's consumer, such as `security_protocol`.

    Raises:
        TopicMissing: the topic does not exist.
        KafkaError: Kafka does not answer.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        topic: str = "user-events",
        partitions: set[int] | None = None,
        **kafka_options: Any,
    ) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers.split(","),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **kafka_options,
        )
        try:
            there = set(self._consumer.partitions_for_topic(topic) if topic in self._consumer.topics() else ())
            self.partition_count = len(there)
            self.partitions = there if partitions is None else partitions & there
            self._at = {p: TopicPartition(topic, p) for p in sorted(self.partitions)}
            if self._at:
                self._consumer.assign(list(self._at.values()))
        except BaseException:
            self.close()
            raise
        if not there:
            self.close()
            raise TopicMissing(f"topic {topic} does not exist")
        self._stopped: set[int] = set()
        self.verdicts: Mapping[int, PartitionVerdicts] = {p: PartitionVerdicts(p) for p in self._at}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def to_the_end(self, on_unknown: OnUnknown | None = None) -> Iterator[Judged]:
        """Tell what is there now, in order for each partition; a further call goes on from there.

        Args:
            on_unknown: is told of a record of a newer release, by place and reason; the rest of its partition, which
                cannot be judged, is left out then.

        Raises:
            UnknownSchema: a record is of a newer release, and nobody is to be told: install it.
        """
        ends = self._consumer.end_offsets(list(self._at.values()))
        while any(at.partition not in self._stopped and self._consumer.position(at) < end for at, end in ends.items()):
            yield from self._poll(on_unknown)

    def __iter__(self) -> Iterator[Judged]:
        """Tell everything, and what comes, for ever. Raises what `to_the_end` does."""
        while True:
            yield from self._poll(None)

    def _poll(self, on_unknown: OnUnknown | None) -> Iterator[Judged]:
        for at, records in self._consumer.poll(timeout_ms=_POLL_MS).items():
            for record in records:
                if at.partition in self._stopped:
                    break
                try:
                    judged = self.verdicts[at.partition].judge(record.offset, record.timestamp, record.value)
                except UnknownSchema as reason:
                    if on_unknown is None:
                        raise
                    self._stopped.add(at.partition)
                    self._consumer.pause(at)
                    on_unknown(f"{at.partition}-{record.offset}", str(reason))
                else:
                    yield judged

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close(autocommit=False)
