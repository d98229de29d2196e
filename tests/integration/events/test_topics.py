"""The topics in a real Kafka: the fake of the unit tests says what this one does."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from user_directory_events.topics import (
    Topic,
    WrongTopic,
    changes_topic,
    create_missing,
    events_topic,
    quarantine_topic,
    users_topic,
    verify,
)

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def admin(kafka_bootstrap: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    yield client
    client.close()


@pytest.fixture
def log() -> Topic:
    return events_topic(f"log-{uuid.uuid4().hex}", partitions=3, replication_factor=1, min_insync_replicas=1)


def test_what_is_created_is_right(admin: KafkaAdminClient, log: Topic) -> None:
    quarantine = quarantine_topic(f"{log.name}.quarantine", replication_factor=1, min_insync_replicas=1)

    assert create_missing(admin, [log, quarantine]) == [log.name, quarantine.name]

    verify(admin, [log, quarantine])
    assert create_missing(admin, [log, quarantine]) == []


def test_what_is_missing_is_named(admin: KafkaAdminClient, log: Topic) -> None:
    with pytest.raises(WrongTopic, match=f"topic {log.name} does not exist"):
        verify(admin, [log])


def test_what_was_made_without_us_is_found_wrong(admin: KafkaAdminClient, log: Topic) -> None:
    admin.create_topics({log.name: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)

    with pytest.raises(WrongTopic) as caught:
        verify(admin, [log])

    for words in (
        "has 2 partitions, KAFKA_PARTITIONS says 3",
        "has cleanup.policy=delete, it must be compact",
        "has message.timestamp.type=CreateTime, it must be LogAppendTime",
    ):
        assert words in str(caught.value)


def test_another_number_of_copies_in_sync_is_found_wrong(admin: KafkaAdminClient, log: Topic) -> None:
    create_missing(admin, [log])

    with pytest.raises(WrongTopic, match=r"has min.insync.replicas=1, it must be 2"):
        verify(admin, [replace(log, required={**log.required, "min.insync.replicas": "2"})])


def test_too_few_copies_are_found(admin: KafkaAdminClient, log: Topic) -> None:
    create_missing(admin, [log])

    with pytest.raises(WrongTopic, match="has 1 copies of a partition, KAFKA_REPLICATION_FACTOR says 3"):
        verify(admin, [replace(log, replication_factor=3)])


def test_the_public_topics_are_right_too(admin: KafkaAdminClient, log: Topic) -> None:
    alike = {"partitions": 3, "replication_factor": 1, "min_insync_replicas": 1}
    public = [changes_topic(f"{log.name}.c", **alike, retention_hours=1.5), users_topic(f"{log.name}.u", **alike)]

    create_missing(admin, public)

    verify(admin, public)
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, public[0].name)], config_filter="all")
    assert described["topic"][public[0].name]["retention.ms"]["value"] == "5400000"


def test_topics_that_two_processes_make_at_once_are_there_for_both(kafka_bootstrap: str) -> None:
    name = f"log-{uuid.uuid4().hex}"
    topics = [
        events_topic(f"{name}.{number}", partitions=3, replication_factor=1, min_insync_replicas=1)
        for number in range(5)
    ]

    def start(_number: int) -> None:
        client = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        try:
            create_missing(client, topics)
            verify(client, topics)
        finally:
            client.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
