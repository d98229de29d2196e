"""What operators decide about the quarantine, as records of the log: so it is carried out in every generation.

A decision stands in its user's partition. The projector carries it out when it comes to it, in the step that moves the
checkpoint; so it needs no lock, two operators' decisions have an order, and a rebuild comes to the same end.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kafka import KafkaProducer
from kafka.errors import KafkaError

from projector.event_log import CLIENT_ID, now
from projector.log_setup import identity, topics_of
from projector.settings import ProjectorSettings
from runtime.kafka_connection import again_until, options, wait_for_admin
from runtime.startup import StartupError
from user_directory_events import (
    HEADERS,
    EventsDiscarded,
    EventsDiscardedData,
    ReplayRequested,
    ReplayRequestedData,
    encode,
    new_event_id,
    partition_of,
)
from user_directory_events.topics import WrongTopic, verify

_APPEND_TIMEOUT_SECONDS = 10
_MOST_IDS = 1000


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a decision about a user stands in the log."""

    user_id: str
    partition: int
    offset: int


class DecisionLog:
    """Appends decisions to the log."""

    def __init__(self, settings: ProjectorSettings, producer: KafkaProducer) -> None:
        self._topic = settings.events_topic
        self._partitions = settings.kafka_partitions
        self._producer = producer

    def replay(self, user_id: str) -> Appended:
        """Have the projector try a user's waiting events again.

        Raises:
            StartupError: it is not known whether the record is in the log.
        """
        data = ReplayRequestedData(user_id=user_id)
        return self._append(user_id, ReplayRequested(id=new_event_id(), time=now(), data=data))

    def discard(self, user_id: str, event_ids: Sequence[str]) -> Appended:
        """Let one or more events of a user change nothing of the document; raises what `replay` raises."""
        data = EventsDiscardedData(user_id=user_id, event_ids=list(event_ids[:_MOST_IDS]))
        appended = self._append(user_id, EventsDiscarded(id=new_event_id(), time=now(), data=data))
        rest = event_ids[_MOST_IDS:]
        return self.discard(user_id, rest) if rest else appended

    def _append(self, user_id: str, record: EventsDiscarded | ReplayRequested) -> Appended:
        key, value = encode(record)
        partition = partition_of(user_id, self._partitions)
        try:
            sent = self._producer.send(self._topic, key=key, value=value, headers=HEADERS, partition=partition)
            offset: int = sent.get(_APPEND_TIMEOUT_SECONDS).offset
        except KafkaError as error:
            message = f"the decision may not be in the log ({type(error).__name__}): look at the user, and decide again"
            raise StartupError(message) from error
        return Appended(user_id, partition, offset)


@contextmanager
def decision_log(settings: ProjectorSettings, log_id: str) -> Iterator[DecisionLog]:
    """Open the log that the read models are made from.

    Raises:
        StartupError: Kafka does not answer, its topics are wrong, or it holds another log than `log_id`.
    """
    deadline = time.monotonic() + settings.startup_wait_seconds

    def check_topics() -> None:
        admin = wait_for_admin(settings, CLIENT_ID, deadline - time.monotonic())
        try:
            verify(admin, topics_of(settings))
        finally:
            admin.close()

    try:
        again_until(deadline, check_topics)
    except (WrongTopic, KafkaError) as error:
        raise StartupError(f"Kafka's topics cannot be used: {error or type(error).__name__}") from error
    if identity(settings, deadline) != log_id:
        raise StartupError(
            "Redis holds the read models of another log: set EVENTS_TOPIC and REDIS_URL to one directory"
        )
    producer = KafkaProducer(
        **options(settings, CLIENT_ID), acks="all", delivery_timeout_ms=5000, request_timeout_ms=4000
    )
    try:
        yield DecisionLog(settings, producer)
    finally:
        producer.close()
