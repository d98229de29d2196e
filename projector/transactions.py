"""Records and consumed offsets in one Kafka transaction (KIP-98, KIP-447): all of it or nothing.

After any error the producer is replaced. kafka-python's own recovery cannot be trusted (3.0.12): the offsets of an
aborted transaction are sent with the next one, a record that timed out does not keep a transaction from being
committed, and offsets and commits are waited for without an end.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

TRANSACTION_TIMEOUT_MS = 10_000
"""How long the transaction of a relay that died can hold up those who read committed records."""
_STEP_SECONDS = 4.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to be written; `timestamp` in milliseconds, None: now."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp: int | None = None


class NotAMember(KafkaError):  # type: ignore[misc]
    """The consumer belongs to no generation of its group, so nobody could tell whether its offsets still count."""


class TransactionalProducer:
    """Commits one transaction after another under one transactional id.

    A new producer of the same id ends what the former one left open, in this process or in an earlier one.
    """

    def __init__(self, make: Callable[[], KafkaProducer]) -> None:
        self._make = make
        self._producer: KafkaProducer | None = None

    @property
    def connected(self) -> bool:
        """Say whether there is a producer, and so no open transaction of ours."""
        return self._producer is not None

    def connect(self) -> None:
        """Make a producer where there is none, and end what a former one of this id left open.

        Raises:
            KafkaError: the transaction coordinator does not answer, or not in time.
        """
        if self._producer is not None:
            return
        producer = self._make()
        try:
            producer.init_transactions()
        except BaseException:
            _close_soon(producer)
            raise
        self._producer = producer

    def commit(
        self,
        records: Sequence[OutgoingRecord],
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        member: ConsumerGroupMetadata,
    ) -> None:
        """Write the records and the group's offsets, all or nothing.

        Args:
            records: in order for each partition.
            offsets: the positions behind what the records were made of.
            member: who the consumer was in its group when it read that; the broker refuses a former member.

        Raises:
            KafkaError: not committed, or it is not known; the offsets tell once `connect` has come back.
        """
        producer = self._producer
        if producer is None:
            raise NotAMember("there is no producer")
        # Without them the broker would take the offsets of anybody.
        if member.generation_id < 0 or not member.member_id:
            raise NotAMember("the consumer left its group")
        try:
            producer.begin_transaction()
            futures = [_send(producer, record) for record in records]
            producer.flush(_STEP_SECONDS)
            for future in futures:
                future.get(0)
            _await(producer, producer._transaction_manager.send_offsets_to_transaction(dict(offsets), member))
            _await(producer, producer._transaction_manager.begin_commit())
        except BaseException:
            self._producer = None
            _close_soon(producer)
            raise

    def close(self) -> None:
        """Close the producer; there is no open transaction between two calls."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=_STEP_SECONDS)


def _send(producer: KafkaProducer, record: OutgoingRecord) -> Any:
    return producer.send(
        record.topic,
        key=record.key,
        value=record.value,
        headers=list(record.headers),
        partition=record.partition,
        timestamp_ms=record.timestamp,
    )


def _await(producer: KafkaProducer, result: Any) -> None:
    """Wait for a step of a transaction; the producer's own methods would wait for ever."""
    producer._sender.wakeup()
    if not result.wait(timeout_ms=_STEP_SECONDS * 1000):
        raise KafkaTimeoutError(f"the transaction coordinator did not answer within {_STEP_SECONDS:g} s")


def _close_soon(producer: KafkaProducer) -> None:
    # Closing waits for requests in flight; the next producer need not.
    threading.Thread(target=_give_up, args=(producer,), name="producer-close", daemon=True).start()


def _give_up(producer: KafkaProducer) -> None:
    try:
        producer._sender.force_close()
        producer.close(timeout=0)
    except KafkaError as error:
        log.debug("a producer that was given up did not close in order", exc_info=error)
