"""A producer of the log, replaced by a fresh one as soon as the outcome of a record is unknown.

kafka-python's idempotent producer does not come back by itself (seen with 3.0.12): when a batch that was tried again
expires, it gives up its producer id and never asks for another, so it neither sends nor fails anything from then on.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

_METADATA_SECONDS = 5

log = logging.getLogger(__name__)


class NotConnected(KafkaError):  # type: ignore[misc]
    """There is no producer at the moment, so nothing was sent; `connect` makes one."""


class ReplaceableProducer:
    """Sends records, each exactly once, through one producer after another."""

    def __init__(self, make: Callable[[], KafkaProducer], topic: str) -> None:
        self._make = make
        self._topic = topic
        self._producer: KafkaProducer | None = None

    @property
    def connected(self) -> bool:
        """Say whether `send` has a producer to send with."""
        return self._producer is not None

    def connect(self) -> None:
        """Make a producer where there is none, and let it learn where the topic's partitions are.

        Raises:
            KafkaError: no broker answers.
        """
        if self._producer is not None:
            return
        producer = self._make()
        deadline = time.monotonic() + _METADATA_SECONDS
        while True:
            try:
                producer.partitions_for(self._topic)
            except KafkaTimeoutError:
                # It waits for `max_block_ms`, which is short where sends must not block; the answer is on its way.
                if time.monotonic() > deadline:
                    _close(producer, 0)
                    raise
            except BaseException:
                _close(producer, 0)
                raise
            else:
                break
        self._producer = producer

    def send(self, topic: str, **record: Any) -> Any:
        """Hand a record to the producer; return kafka-python's future.

        Raises:
            NotConnected: nothing was sent.
            Exception: nothing was sent, for a reason of the producer.
        """
        producer = self._producer
        if producer is None:
            raise NotConnected
        future = producer.send(topic, **record)
        future.add_errback(self._discard, producer)
        return future

    def close(self, timeout_seconds: float) -> None:
        """Send what was handed over, for at most `timeout_seconds`, then close."""
        producer = self._producer
        self._producer = None
        _close(producer, timeout_seconds)

    def _discard(self, producer: KafkaProducer, error: Exception) -> None:
        """Give a producer up; runs on its own thread, which cannot close itself."""
        if self._producer is not producer:
            return
        self._producer = None
        log.warning("producer replaced", extra={"error": type(error).__name__})
        threading.Thread(target=_close, args=(producer, 0), name="producer-close", daemon=True).start()


def _close(producer: KafkaProducer | None, timeout_seconds: float) -> None:
    if producer is None:
        return
    try:
        producer.close(timeout=timeout_seconds)
    except KafkaError:
        # Its flush timed out; kafka-python then leaves its thread behind, trying for ever.
        producer._sender.force_close()
