"""What other systems read of a running directory: the same with every client, and just what the directory says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator

from contract.files import published
from tests.e2e.foreign_clients import Read, parsed, with_java, with_librdkafka
from tests.e2e.people import Body
from tests.guarded import Access
from tests.stack import Stack, running_stack
from user_directory_events import User, UserState, evolve
from user_directory_events.consumer import Changed, Item, Loaded, follow
from user_directory_events.public_topics import decode_change, decode_state

pytestmark = [pytest.mark.kafka, pytest.mark.redis]
PARTITIONS = 4


@pytest.fixture(scope="module")
def own_stack(
    kafka_bootstrap: str, redis_url: str, access: Access, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Return a directory that nobody else writes to."""
    with running_stack(kafka_bootstrap, redis_url, tmp_path_factory.mktemp("public"), access) as running:
        yield running


@pytest.fixture(scope="module")
def written(own_stack: Stack) -> dict[str, Body | None]:
    """Write every kind of event; return the documents by user id, None: deleted."""
    client = httpx.Client(base_url=own_stack.command_url, timeout=30, trust_env=False)
    people: list[Body] = [
        {"email": "Zoë@exämple.de", "name": {"given": "Zoë", "family": "Núñez"}, "attributes": {"a": None, "n": 1.5}},
        {"email": "bob@example.org", "display_name": 'B "ob" 🌍', "external_id": "hr-1"},
        {"email": "gone@example.org", "display_name": "Gone"},
    ]
    ids = [client.post("/users", json=person).raise_for_status().json()["id"] for person in people]
    client.patch(
        f"/users/{ids[0]}", json={"name": None, "display_name": "زوي", "attributes": {"a": 2}}
    ).raise_for_status()
    client.post(f"/users/{ids[1]}/suspend").raise_for_status()
    client.post(f"/users/{ids[1]}/reinstate").raise_for_status()
    client.patch(f"/users/{ids[1]}", json={"external_id": None}).raise_for_status()
    client.delete(f"/users/{ids[2]}").raise_for_status()
    query = httpx.Client(base_url=own_stack.query_url, timeout=30, trust_env=False)
    return {user: None if user == ids[2] else query.get(f"/users/{user}").raise_for_status().json() for user in ids}


@pytest.fixture(scope="module")
def topics(own_stack: Stack, written: dict[str, Body | None]) -> dict[str, list[Read]]:
    """Return both topics as librdkafka reads them, once the relay has told all eight events."""
    bootstrap = own_stack.environ["KAFKA_BOOTSTRAP_SERVERS"]
    names = {"changes": own_stack.environ["CHANGES_TOPIC"], "users": own_stack.environ["USERS_TOPIC"]}
    told: list[Item] = []
    with follow(bootstrap, changes_topic=names["changes"], users_topic=names["users"]) as follower:
        for batch in follower:
            told += batch
            if sum(item.forgets for item in told) and len(with_librdkafka(bootstrap, names["changes"], 4)) == 8:
                break
    return {topic: with_librdkafka(bootstrap, name, PARTITIONS) for topic, name in names.items()}


def test_users_is_what_the_directory_answers(topics: dict[str, list[Read]], written: dict[str, Body | None]) -> None:
    newest = {read.key: parsed(read.value) for read in topics["users"]}

    assert newest == written


def test_changes_make_what_the_directory_answers(
    topics: dict[str, list[Read]], written: dict[str, Body | None]
) -> None:
    states: dict[str, UserState] = {}
    for read in topics["changes"]:
        event = decode_change((read.value or "").encode())
        assert read.key == event.subject
        states[event.subject] = evolve(states.get(event.subject), event)

    documents = {u: json.loads(s.to_json()) if isinstance(s, User) else None for u, s in states.items()}
    assert documents == written


@pytest.mark.parametrize("topic", ["changes", "users"])
def test_java_reads_the_same_records(own_stack: Stack, topics: dict[str, list[Read]], topic: str) -> None:
    bootstrap = own_stack.environ["KAFKA_BOOTSTRAP_SERVERS"]
    name = own_stack.environ[f"{topic.upper()}_TOPIC"]

    assert with_java(bootstrap, name, len(topics[topic])) == topics[topic]


def test_the_kit_reads_the_same_fields(own_stack: Stack, topics: dict[str, list[Read]]) -> None:
    names = [own_stack.environ["CHANGES_TOPIC"], own_stack.environ["USERS_TOPIC"]]
    with follow(own_stack.environ["KAFKA_BOOTSTRAP_SERVERS"], changes_topic=names[0], users_topic=names[1]) as follower:
        loaded = [item for batch in follower.to_the_end() for item in batch]

    ours = [(item.user_id, item.user) for item in loaded if isinstance(item, Loaded)]
    theirs = [(read.key, decode_state(None if read.value is None else read.value.encode())) for read in topics["users"]]
    assert sorted(ours, key=str) == sorted(theirs, key=str)
    assert not any(isinstance(item, Changed) for item in loaded)


def test_the_cloudevents_package_reads_every_change(topics: dict[str, list[Read]]) -> None:
    for read in topics["changes"]:
        raw = (read.value or "").encode()
        event = from_structured(KafkaMessage({n: v.encode() for n, v in read.headers}, None, raw), JSONFormat())
        ours = decode_change(raw)

        assert event.get_id() == ours.id
        assert event.get_type() == ours.type
        assert event.get_source() == ours.source
        assert event.get_subject() == ours.subject
        assert event.get_dataschema() == ours.dataschema
        assert event.get_extension("sequence") == ours.sequence
        assert event.get_extension("traceparent") == ours.traceparent
        assert event.get_data() == ours.data.model_dump(exclude_unset=True)


def test_every_record_meets_its_published_schema(topics: dict[str, list[Read]]) -> None:
    schemas = published()

    def faults(name: str, value: Any) -> list[str]:
        return [error.message for error in Draft202012Validator(schemas[name]).iter_errors(value)]

    for read in topics["changes"]:
        event: Any = parsed(read.value)
        assert read.headers == (("content-type", "application/cloudevents+json"),)
        assert faults("user-changes", event) == []
        assert faults(event["dataschema"], event["data"]) == []
    for read in topics["users"]:
        if read.value is not None:
            assert read.headers == (("content-type", "application/json"),)
            assert faults("users", parsed(read.value)) == []


def test_verify_finds_no_fault(own_stack: Stack, topics: dict[str, list[Read]]) -> None:
    command = [sys.executable, "-m", "user_directory_events", "verify"]
    done = subprocess.run(command, env=own_stack.environ, capture_output=True, text=True, timeout=90, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "         8 accepted\n" in done.stdout
    assert done.stdout.endswith("no fault\n")
