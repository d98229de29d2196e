"""Kafka with TLS and a name with the documented rights for each process: all works, and no more than that."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError, TopicAuthorizationFailedError

from tests.e2e.people import person
from tests.guarded import KAFKA_USERS, MECHANISM, PASSWORD, documented
from tests.security.conftest import Castle

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(240)]


def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


def as_user(castle: Castle, name: str, password: str = PASSWORD) -> dict[str, Any]:
    return {
        "bootstrap_servers": f"127.0.0.1:{castle.access.kafka_port}",
        "security_protocol": "SASL_SSL",
        "ssl_cafile": str(castle.access.ca_file),
        "sasl_mechanism": MECHANISM,
        "sasl_plain_username": name,
        "sasl_plain_password": password,
    }


def test_every_process_that_has_to_do_with_kafka_is_given_rights_by_the_documentation() -> None:
    granted = {word for words in documented("kafka-acls.sh …") for word in words if word.startswith("User:")}
    assert granted == {f"User:{name}" for name in KAFKA_USERS}


def test_every_process_works_with_the_documented_rights(castle: Castle) -> None:
    stack = castle.stack
    with httpx.Client(trust_env=False, timeout=15) as client:

        def told(url: str) -> str:
            return client.get(f"{url}/metrics").text

        def relayed() -> int:
            start = 'user_directory_relay_events_total{outcome="relayed"} '
            line = next((line for line in told(stack.relay_url).splitlines() if line.startswith(start)), f"{start}0")
            return int(float(line.removeprefix(start)))

        before = relayed()
        made = client.post(f"{stack.command_url}/users", json=person())
        assert made.status_code == 201, made.text
        until(lambda: relayed() == before + 1, lambda: told(stack.relay_url))
        erased = client.post(f"{stack.command_url}/users/{made.json()['id']}/erase")
        assert erased.is_success, erased.text
        with KafkaProducer(bootstrap_servers=castle.kafka.bootstrap) as anybody:
            anybody.send(stack.events_topic, b"no event", b"broken", partition=0).get(10)
        until(lambda: relayed() == before + 2, lambda: told(stack.relay_url))
        for line in (
            'user_directory_projector_quarantined_records_total{reason="undecodable"} 1.0',
            "user_directory_projector_tombstones_total 1.0",
        ):
            until(lambda line=line: line in told(stack.projector_url), lambda: told(stack.projector_url))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "topic"), [("relay", "user-events"), ("command-api", "users"), ("projector", "users")]
)
def test_nobody_may_write_what_is_not_theirs(castle: Castle, name: str, topic: str) -> None:
    producer = KafkaProducer(**as_user(castle, name), enable_idempotence=False)
    with producer, pytest.raises(TopicAuthorizationFailedError):
        producer.send(topic, b"key", b"value", partition=0).get(10)


@pytest.mark.parametrize("name", ["command-api", "query-api"])
def test_a_wrong_password_or_an_unknown_name_is_refused(castle: Castle, name: str) -> None:
    with pytest.raises(KafkaError):
        KafkaAdminClient(**as_user(castle, name, "wrong"), bootstrap_timeout_ms=3000)


def test_a_broker_with_a_certificate_of_nobody_is_not_talked_to(castle: Castle) -> None:
    with pytest.raises(KafkaError):
        KafkaAdminClient(**as_user(castle, "relay") | {"ssl_cafile": None}, bootstrap_timeout_ms=3000)
