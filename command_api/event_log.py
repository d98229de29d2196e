"""The log in Kafka as the command API sees it: the one module of this process that knows Kafka."""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaConnectionError, KafkaError

from command_api.settings import CommandSettings
from runtime import metrics
from runtime.kafka_connection import again_until, listens, options, wait_for_admin
from runtime.kafka_producer import ReplaceableProducer
from runtime.startup import StartupError
from user_directory_events import HEADERS, UserEvent, encode
from user_directory_events.topics import WrongTopic, events_topic, verify

_PROBE_EVERY_SECONDS = 0.5
_UNREACHABLE_AFTER_SECONDS = 2.0
_PROBE_TIMEOUT_MS = 2000
_MAX_BLOCK_MS = 100
_MOST_BATCH_BYTES = 128 * 1024
_CLOSE_SECONDS = 5
_FIRST_ANSWER_SECONDS = 5
_CLIENT_ID = "user-directory-command-api"

log = logging.getLogger(__name__)


class EventLogUnavailable(Exception):
    """Nothing was sent."""


@dataclass(slots=True)
class Append:
    """An event that was handed to the producer; `offset` is None until the acknowledgement of all in-sync replicas.

    The acknowledgement arrives on the producer's thread and only sets the field: the verdict, not the acknowledgement,
    is what a write waits for, since a projector can read only what every in-sync replica has.
    """

    sent_at: float
    offset: int | None = None
    acknowledged_at: float | None = None


class EventLog:
    """Appends events, and knows whether the brokers answer."""

    def __init__(self, settings: CommandSettings) -> None:
        self._settings = settings
        self._topic = settings.events_topic
        self._producer = ReplaceableProducer(self._make_producer, settings.events_topic)
        self._admin: KafkaAdminClient | None = None
        self._answered_at = float("-inf")
        self._answered = asyncio.Event()
        self._probe: asyncio.Task[None] | None = None
        self._acknowledgements = metrics.APPENDS.labels("acknowledged")

    async def start(self) -> None:
        """Connect, and keep watching whether the brokers answer; return after the first answer or a few seconds."""
        self._probe = asyncio.create_task(self._keep_probing())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_ANSWER_SECONDS):
                await self._answered.wait()

    async def close(self) -> None:
        """Stop watching and close the producer, after what it was given is sent."""
        if self._probe is not None:
            self._probe.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._probe
        if self._admin is not None:
            await asyncio.to_thread(self._admin.close)
        await asyncio.to_thread(self._producer.close, _CLOSE_SECONDS)

    @property
    def reachable(self) -> bool:
        """Say whether a broker answered within the last two seconds."""
        return self._producer.connected and time.monotonic() - self._answered_at < _UNREACHABLE_AFTER_SECONDS

    def append(self, event: UserEvent, partition: int) -> Append:
        """Hand one event to the producer; it is sent once, and never again by us.

        Raises:
            EventLogUnavailable: nothing was sent. Anything else that goes wrong leaves the outcome unknown.
        """
        key, value = encode(event)
        append = Append(time.perf_counter())
        try:
            future = self._send(key, value, partition)
        except Exception as error:
            metrics.APPENDS.labels("not_sent").inc()
            raise EventLogUnavailable(type(error).__name__) from error
        future.add_callback(self._acknowledged, append)
        future.add_errback(_outcome_unknown)
        return append

    def _send(self, key: bytes, value: bytes, partition: int) -> Any:
        return self._producer.send(self._topic, key=key, value=value, headers=HEADERS, partition=partition)

    def _acknowledged(self, append: Append, metadata: Any) -> None:
        append.acknowledged_at = time.perf_counter()
        append.offset = metadata.offset
        self._answered_at = time.monotonic()
        self._acknowledgements.inc()
        metrics.APPEND_DURATION.observe(append.acknowledged_at - append.sent_at)

    async def _keep_probing(self) -> None:
        answering = True
        while True:
            try:
                await asyncio.to_thread(self._ask)
            except KafkaError as error:
                if answering:
                    log.warning("kafka does not answer", extra={"error": type(error).__name__})
                answering = False
            else:
                if not answering:
                    log.info("kafka answers again")
                answering = True
                self._answered_at = time.monotonic()
                self._answered.set()
            await asyncio.sleep(_PROBE_EVERY_SECONDS)

    def _ask(self) -> None:
        if not (self._producer.connected and self._admin) and not listens(self._settings):
            raise KafkaConnectionError("no broker listens")
        self._producer.connect()
        if self._admin is None:
            self._admin = self._connect_admin()
        self._admin.describe_cluster()

    def _make_producer(self) -> KafkaProducer:
        return KafkaProducer(
            **options(self._settings, _CLIENT_ID),
            acks="all",
            enable_idempotence=True,
            # Well below the event's deadline: what is sent later than that is void anyway.
            delivery_timeout_ms=round(self._settings.event_deadline_seconds * 500),
            request_timeout_ms=round(self._settings.event_deadline_seconds * 400),
            max_block_ms=_MAX_BLOCK_MS,
            # What comes while a request is under way leaves together in the next one: under load the log gets fewer and
            # larger batches, which costs every process behind it less, and a lone event waits for nothing.
            max_in_flight_requests_per_connection=1,
            batch_size=_MOST_BATCH_BYTES,
            metrics_enabled=False,
        )

    def _connect_admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(
            **options(self._settings, _CLIENT_ID),
            request_timeout_ms=_PROBE_TIMEOUT_MS,
        )


def _outcome_unknown(error: Exception) -> None:
    metrics.APPENDS.labels("unknown").inc()
    log.warning("append outcome unknown", extra={"error": type(error).__name__})


def check_topics(settings: CommandSettings) -> None:
    """Wait until Kafka answers and the log's topic is there, and check it.

    Raises:
        StartupError: it does not answer in time, or the topic is wrong.
    """
    topic = events_topic(
        settings.events_topic,
        partitions=settings.kafka_partitions,
        replication_factor=settings.kafka_replication_factor,
        min_insync_replicas=settings.kafka_min_insync_replicas,
    )
    deadline = time.monotonic() + settings.startup_wait_seconds

    def check() -> None:
        admin = wait_for_admin(settings, _CLIENT_ID, deadline - time.monotonic())
        try:
            # The projector, which creates the topic, may be starting at this very moment.
            while topic.name not in admin.list_topics() and time.monotonic() < deadline:
                time.sleep(0.5)
            verify(admin, [topic])
        finally:
            admin.close()

    try:
        again_until(deadline, check)
    except (WrongTopic, KafkaError) as error:
        raise StartupError(f"Kafka's topics cannot be used: {error or type(error).__name__}") from error
