"""`python -m projector restore FILE`: make a log of a backup, in a Kafka that has none."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, KafkaTimeoutError, TopicAlreadyExistsError
from tqdm import tqdm

from projector.accepted_events import kept_records, user_of
from projector.backup_file import BackupReader, BadBackup, Trailer, opened
from projector.event_log import CLIENT_ID, now
from projector.log_reader import LogReader
from projector.log_setup import topics_of
from projector.progress_bar import progress_bar
from projector.settings import ProjectorSettings
from runtime.kafka_connection import options, wait_for_admin
from runtime.settings import load
from runtime.startup import StartupError
from user_directory_events import (
    HEADERS,
    EpochOpened,
    EpochOpenedData,
    LogIdentity,
    LogIdentityData,
    LogRecord,
    Undecodable,
    UnknownSchema,
    UserEvent,
    decode,
    encode,
    new_event_id,
    partition_of,
)
from user_directory_events.timestamps import ENDLESS
from user_directory_events.topics import Topic

_UNFINISHED: Final = {"message.timestamp.type": "CreateTime", "segment.ms": str(2**62)}
"""How the topic is configured until all is there: the records carry the times of the backup, and every process that
starts refuses the topic."""
_IN_FLIGHT: Final = 10_000
_TIMEOUT_SECONDS: Final = 120
_GONE_SECONDS: Final = 30


class Restore:
    """Writes one backup into a new log."""

    def __init__(self, settings: ProjectorSettings, admin: KafkaAdminClient, bar: "tqdm[None]") -> None:
        self._settings = settings
        self._topic = settings.events_topic
        self._partitions = settings.kafka_partitions
        self._admin = admin
        self._bar = bar

    def run(self, backup: BackupReader, trailer: Trailer, *, begin_again: bool) -> str:
        """Restore; return the new log's identity.

        Raises:
            StartupError: the log is not empty, or Kafka fails.
        """
        self._make_way(begin_again=begin_again)
        topic, *_ = topics_of(self._settings)
        self._create(topic)
        log_id, epoch = new_event_id(), new_event_id()
        self._bar.total = trailer.events + trailer.discards
        self._bar.set_description("writing")
        self._write(backup, log_id, epoch)
        self._bar.reset(trailer.events + trailer.discards)
        self._bar.set_description("reading it back")
        self._read_back(trailer)
        self._configure({name: {**topic.required, **topic.initial}[name] for name in _UNFINISHED})
        return log_id

    def _make_way(self, *, begin_again: bool) -> None:
        """Delete the topic if there is nothing in it but perhaps a log's identity, or what an earlier run left."""
        if self._topic not in self._admin.list_topics():
            return
        count = len(self._admin.describe_topics([self._topic])[0]["partitions"])
        reader = LogReader(self._settings, range(count))
        try:
            first, ends = reader.first_positions(), reader.end_positions()
            records = sum(ends.values()) - sum(first.values())
            head = _first_record(reader, first[0]) if ends[0] > first[0] else None
        finally:
            reader.close()
        has_identity = isinstance(head, LogIdentity)
        if records > int(has_identity):
            unfinished = has_identity and self._configured("message.timestamp.type") == "CreateTime"
            if not unfinished:
                raise StartupError(
                    f"topic {self._topic} holds {records:,} records: restore needs an empty log. "
                    "Set EVENTS_TOPIC to a new one, or stop every process and delete the topic"
                )
            if not begin_again:
                raise StartupError(
                    f"topic {self._topic} holds a restore that did not end: run it again with --begin-again, "
                    "which deletes the topic first"
                )
        self._admin.delete_topics([self._topic])

    def _create(self, topic: Topic) -> None:
        wanted = {
            "num_partitions": topic.partitions,
            "replication_factor": topic.replication_factor,
            "configs": {**topic.required, **topic.initial, **_UNFINISHED},
        }
        deadline = time.monotonic() + _GONE_SECONDS
        while True:
            try:
                self._admin.create_topics({topic.name: wanted}, wait_for_metadata=True)
            except TopicAlreadyExistsError:
                # Kafka deletes a topic in the background.
                if time.monotonic() > deadline:
                    raise StartupError(
                        f"topic {topic.name} is there again: stop every process, and run one restore at a time"
                    ) from None
                time.sleep(0.5)
            else:
                return

    def _write(self, backup: BackupReader, log_id: str, epoch: str) -> None:
        producer = KafkaProducer(
            **options(self._settings, CLIENT_ID),
            acks="all",
            linger_ms=20,
            batch_size=256 * 1024,
            delivery_timeout_ms=_TIMEOUT_SECONDS * 1000,
            max_block_ms=_TIMEOUT_SECONDS * 1000,
        )
        futures: list[Any] = []

        def send(record: LogRecord, partition: int, timestamp: int | None = None) -> None:
            key, value = encode(record)
            futures.append(
                producer.send(
                    self._topic, key=key, value=value, headers=HEADERS, partition=partition, timestamp_ms=timestamp
                )
            )
            if len(futures) >= _IN_FLIGHT:
                _await(futures)

        try:
            identity = LogIdentityData(log_id=log_id, partitions=self._partitions)
            send(LogIdentity(id=new_event_id(), time=now(), data=identity), 0)
            for partition in range(self._partitions):
                send(EpochOpened(id=new_event_id(), time=now(), data=EpochOpenedData(epoch=epoch)), partition)
            for record, recorded in backup.records():
                new = {"epoch": epoch, "deadline": ENDLESS} if isinstance(record, UserEvent) else {}
                partition = partition_of(user_of(record), self._partitions)
                send(record.model_copy(update=new), partition, recorded)
                self._bar.update()
            _await(futures)
        finally:
            producer.close(timeout=5)

    def _read_back(self, trailer: Trailer) -> None:
        """Judge what was written as every reader of the log will."""
        reader = LogReader(self._settings, range(self._partitions))
        users: set[str] = set()
        events = discards = 0
        try:
            first, ends = reader.first_positions(), reader.end_positions()
            for partition, end in ends.items():
                for record, _ in kept_records(reader, partition, first[partition], end):
                    users.add(user_of(record))
                    if isinstance(record, UserEvent):
                        events += 1
                    else:
                        discards += 1
                    self._bar.update()
        finally:
            reader.close()
        if (events, discards, len(users)) != (trailer.events, trailer.discards, trailer.users):
            raise StartupError(
                f"of {trailer.events:,} events only {events:,} count in the new log: a process wrote to it meanwhile. "
                "Stop every process and run the restore again with --begin-again"
            )

    def _configured(self, name: str) -> str:
        resource = ConfigResource(ConfigResourceType.TOPIC, self._topic)
        described = self._admin.describe_configs([resource], config_filter="all")
        return str(described["topic"][self._topic][name]["value"])

    def _configure(self, values: dict[str, str]) -> None:
        self._admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, self._topic, configs=values)])


def main(arguments: Sequence[str]) -> None:
    """Restore a backup."""
    parser = argparse.ArgumentParser(
        prog="python -m projector restore",
        description="Make a log of a backup, in a Kafka that has none, under a new identity. Stop every other process "
        "before; start them afterwards with an empty Redis, which is filled from the log.",
    )
    parser.add_argument("file", help="the backup; -: standard input")
    parser.add_argument("--begin-again", action="store_true", help="delete what a restore left that did not end")
    asked = parser.parse_args(arguments)
    settings = load(ProjectorSettings)
    try:
        with tempfile.TemporaryFile() as spool, progress_bar("events") as bar:
            bar.set_description("checking the backup")
            backup = opened(asked.file, spool)
            _, trailer = backup.verify()
            admin = wait_for_admin(settings, CLIENT_ID, settings.startup_wait_seconds)
            try:
                log_id = Restore(settings, admin, bar).run(backup, trailer, begin_again=asked.begin_again)
            finally:
                admin.close()
    except BadBackup as error:
        raise StartupError(f"{asked.file}: {error}") from None
    except KafkaError as error:
        raise StartupError(
            f"the restore broke off ({type(error).__name__}): run it again with --begin-again"
        ) from error
    print(f"log {log_id} holds {trailer.events:,} events of {trailer.users:,} users", file=sys.stderr)


def _await(futures: list[Any]) -> None:
    for future in futures:
        future.get(_TIMEOUT_SECONDS)
    futures.clear()


def _first_record(reader: LogReader, position: int) -> LogRecord | None:
    reader.place(0, position)
    reader.read_only([0])
    deadline = time.monotonic() + _GONE_SECONDS
    while time.monotonic() < deadline:
        for record in reader.poll(500).get(0, ()):
            with suppress(Undecodable, UnknownSchema):
                return decode(record.value or b"")
            return None
    raise KafkaTimeoutError
