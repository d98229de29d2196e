"""Of topics that were just made each broker hears at a moment of its own; whoever checks them there waits for it."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka import KafkaAdminClient

from tests.faults.driver.brokers import Brokers, brokers
from user_directory_events.topics import create_missing, events_topic, quarantine_topic, verify

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_ATTEMPTS = 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """Run three brokers."""
    with brokers(tmp_path_factory.mktemp("cluster"), 3, 0) as cluster:
        yield cluster


def test_each_broker_of_three_finds_what_another_one_has_just_made(cluster: Brokers) -> None:
    copies = {"replication_factor": 3, "min_insync_replicas": 2}
    admins = [KafkaAdminClient(bootstrap_servers=server.bootstrap) for server in cluster.servers]
    try:
        with ThreadPoolExecutor(len(admins)) as threads:
            for attempt in range(_ATTEMPTS):
                name = f"log-{uuid.uuid4().hex}"
                topics = [events_topic(name, partitions=4, **copies), quarantine_topic(f"{name}.quarantine", **copies)]
                assert create_missing(admins[attempt % len(admins)], topics) == [topic.name for topic in topics]
                for checked in [threads.submit(verify, admin, topics) for admin in admins]:
                    checked.result()
    finally:
        for admin in admins:
            admin.close()
