"""Kafka with a name and the documented rights for each process: all works, and nobody may do what is not theirs."""

import argparse
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType
from kafka.errors import TopicAuthorizationFailedError

from devstack import servers, settings
from devstack.kafka_server import KafkaServer
from devstack.servers import free_port
from tests.e2e.people import person
from tests.stack import Stack

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(240)]
DOCUMENTED = Path(__file__).parents[2] / "docs" / "security.md"
NAMES = ("command-api", "projector", "relay")
TOPICS = {
    "EVENTS_TOPIC": "user-events",
    "QUARANTINE_TOPIC": "user-events.quarantine",
    "CHANGES_TOPIC": "user-changes",
    "USERS_TOPIC": "users",
}
GROUPS = {"PROJECTOR_GROUP": "user-directory-projector", "RELAY_GROUP": "user-directory-relay"}


class GuardedKafka(KafkaServer):
    """A Kafka that asks for names on a port of its own; on the other one anybody is the administrator."""

    def __init__(self, home: Path) -> None:
        port, controller, secure = free_port(), free_port(), free_port()
        passwords = " ".join(f'user_{name}="sesame"' for name in NAMES)
        overrides = {
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},NAMED://127.0.0.1:{secure}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port},NAMED://127.0.0.1:{secure}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,NAMED:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.named.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule "
            f"required {passwords};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        cache = settings.from_environ().cache
        super().__init__(
            home / "kafka", cache, port=port, controller_port=controller, log=home / "kafka.log", overrides=overrides
        )
        self.guarded = f"127.0.0.1:{secure}"


def granted(arguments: list[str]) -> list[ACL]:
    """Return the rights that kafka-acls.sh gives with these arguments."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--operation", action="append", required=True)
    parser.add_argument("--resource-pattern-type", default="literal")
    for kind in ("topic", "group", "transactional-id"):
        parser.add_argument(f"--{kind}", action="append", default=[])
    asked = parser.parse_args(arguments)
    pattern_type = ACLResourcePatternType[asked.resource_pattern_type.upper()]
    kinds = {ResourceType.TOPIC: asked.topic, ResourceType.GROUP: asked.group}
    kinds[ResourceType.TRANSACTIONAL_ID] = asked.transactional_id
    return [
        ACL(
            asked.allow_principal,
            "*",
            ACLOperation[re.sub("(?<=.)(?=[A-Z])", "_", operation).upper()],
            ACLPermissionType.ALLOW,
            ResourcePattern(kind, name, pattern_type),
        )
        for kind, names in kinds.items()
        for name in names
        for operation in asked.operation
    ]


def documented_commands() -> list[list[str]]:
    """Return what the documentation says to type, as arguments of kafka-acls.sh."""
    text = DOCUMENTED.read_text().replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^kafka-acls\.sh … (.*)$", text, re.MULTILINE)]


def as_user(kafka: GuardedKafka, name: str) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.guarded,
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": name,
        "KAFKA_SASL_PASSWORD": "sesame",
    }


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedKafka]:
    server = GuardedKafka(tmp_path_factory.mktemp("guarded"))
    server.start()
    try:
        server.wait_ready()
        rights = [right for arguments in documented_commands() for right in granted(arguments)]
        assert {right.principal for right in rights} == {f"User:{name}" for name in NAMES}
        admin = KafkaAdminClient(bootstrap_servers=server.bootstrap)
        assert not admin.create_acls(rights)["failed"]
        admin.close()
        yield server
    finally:
        server.stop()


@contextmanager
def stack_of(kafka: GuardedKafka, directory: Path) -> Iterator[Stack]:
    """Run the processes, each under its own name; the query API has none, and no Kafka."""
    with servers.redis() as redis:
        stack = Stack("127.0.0.1:1", redis.url, directory, {**TOPICS, **GROUPS})
        for process, name in zip((stack.command_api, stack.projector, stack.relay), NAMES, strict=True):
            process.environ = {**process.environ, **as_user(kafka, name)}
        try:
            # It creates the topics and begins the log, which the others have no right to.
            stack.projector.start()
            stack.projector.wait_ready()
            for process in (stack.command_api, stack.query_api, stack.relay):
                process.start()
            stack.wait_ready()
            yield stack
        except BaseException:
            for name, tail in stack.tails().items():
                print(f"--- {name}\n{tail}")
            raise
        finally:
            stack.stop()


def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


def test_every_process_works_with_the_documented_rights(kafka: GuardedKafka, tmp_path: Path) -> None:
    with stack_of(kafka, tmp_path) as stack, httpx.Client(trust_env=False, timeout=15) as client:

        def told(url: str) -> str:
            return client.get(f"{url}/metrics").text

        made = client.post(f"{stack.command_url}/users", json=person())
        assert made.status_code == 201, made.text
        relayed = 'user_directory_relay_events_total{outcome="relayed"}'
        until(lambda: f"{relayed} 1.0" in told(stack.relay_url), lambda: told(stack.relay_url))
        erased = client.post(f"{stack.command_url}/users/{made.json()['id']}/erase")
        assert erased.is_success, erased.text
        with KafkaProducer(bootstrap_servers=kafka.bootstrap) as anybody:
            anybody.send(stack.events_topic, b"no event", b"broken", partition=0).get(10)
        until(lambda: f"{relayed} 2.0" in told(stack.relay_url), lambda: told(stack.relay_url))
        for line in (
            'user_directory_projector_quarantined_records_total{reason="undecodable"} 1.0',
            "user_directory_projector_tombstones_total 1.0",
        ):
            until(lambda line=line: line in told(stack.projector_url), lambda: told(stack.projector_url))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "topic"), [("relay", "user-events"), ("command-api", "users"), ("projector", "users")]
)
def test_nobody_may_write_what_is_not_theirs(kafka: GuardedKafka, tmp_path: Path, name: str, topic: str) -> None:
    with stack_of(kafka, tmp_path):
        pass
    producer = KafkaProducer(
        bootstrap_servers=kafka.guarded,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username=name,
        sasl_plain_password="sesame",
        enable_idempotence=False,
    )
    with producer, pytest.raises(TopicAuthorizationFailedError):
        producer.send(topic, b"key", b"value", partition=0).get(10)
