"""A producer that waits for its broker's answer rests meanwhile, and sends on as soon as the answer is there."""

import threading
import uuid
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from devstack import servers
from devstack.kafka_server import KafkaServer
from runtime.kafka_connection import options
from runtime.settings import KafkaSettings

PARTITIONS = 4
WATCHED_SECONDS = 0.5
MOST_ROUNDS = 50  # kafka-python's own client makes thousands


@pytest.fixture
def kafka() -> Iterator[KafkaServer]:
    with servers.kafka() as made:
        yield made


def test_while_the_broker_is_busy_a_producer_rests(kafka: KafkaServer) -> None:
    topic = f"test-{uuid.uuid4().hex[:12]}"
    connect = options(KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap), "test")
    admin = KafkaAdminClient(**connect)
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    admin.close()
    producer = KafkaProducer(**connect, acks="all", max_in_flight_requests_per_connection=1)
    producer.send(topic, b"first", partition=0).get(10)
    rounds = 0
    run_once = producer._sender.run_once

    def counted() -> None:
        nonlocal rounds
        rounds += 1
        run_once()

    kafka.pause()
    try:
        producer._sender.run_once = counted
        # The first is under way, so that the others, of other partitions, have to wait.
        sent = [producer.send(topic, b"more", partition=partition) for partition in range(PARTITIONS)]
        threading.Event().wait(WATCHED_SECONDS)
        seen = rounds
    finally:
        kafka.resume()

    assert 0 < seen < MOST_ROUNDS
    assert {one.get(10).partition for one in sent} == set(range(PARTITIONS))
    producer.close()
