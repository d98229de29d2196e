"""`python -m user_directory_events`, run against a log that holds everything that can be in one."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from tests.contract.consumer.kafka_directory import KafkaDirectory
from tests.sample_events import deleted, epoch_opened, event_id, registered, suspended, updated, user_id
from user_directory_events import HEADERS, LogRecord, User, UserEvent, encode, evolve
from user_directory_events.public_topics import STATE_HEADERS, encode_state
from user_directory_events.timestamps import ENDLESS
from user_directory_events.topics import create_missing, events_topic

pytestmark = pytest.mark.kafka
TIMELY: dict[str, Any] = {"deadline": ENDLESS}


class Log:
    """A log of one partition, and `users` as they ought to be after it."""

    def __init__(self, bootstrap: str) -> None:
        self.topic = f"log-{uuid.uuid4().hex[:12]}"
        self.directory = KafkaDirectory(bootstrap, partitions=1)
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        create_missing(admin, [events_topic(self.topic, partitions=1, replication_factor=1, min_insync_replicas=1)])
        admin.close()
        self.producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
        self.state: Any = None
        self.append(epoch_opened())

    def append(self, record: LogRecord, *, times: int = 1) -> None:
        key, value = encode(record)
        for _ in range(times):
            self.raw(value, key)

    def raw(self, value: bytes | None, key: bytes = b"raw") -> None:
        self.producer.send(self.topic, key=key, value=value, headers=HEADERS, partition=0).get(10)

    def accept(self, event: UserEvent) -> None:
        """Append an event and tell the state after it."""
        self.append(event)
        self.state = evolve(self.state, event)
        self.tell(event.subject, self.state.to_json() if isinstance(self.state, User) else None)

    def tell(self, user: str, document: bytes | None) -> None:
        key, value = encode_state(user, document)
        self.producer.send(self.directory.users, key=key, value=value, headers=STATE_HEADERS, partition=0).get(10)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command, *rest = arguments
        topics = {
            "tail": ["--changes-topic", self.directory.changes],
            "show": ["--events-topic", self.topic],
            "verify": ["--events-topic", self.topic, "--users-topic", self.directory.users, "--patience", "0"],
        }[command]
        called = [sys.executable, "-m", "user_directory_events", command, *topics, *rest]
        called += ["--bootstrap-servers", self.directory.bootstrap]
        return subprocess.run(called, capture_output=True, text=True, timeout=60, check=False)

    def close(self) -> None:
        self.producer.close()
        self.directory.close()


@pytest.fixture
def log(kafka_bootstrap: str) -> Iterator[Log]:
    made = Log(kafka_bootstrap)
    yield made
    made.close()


def findings(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [(line["kind"], line["where"]) for line in lines[:-1]]


def test_verify_finds_no_fault_in_a_log_whose_races_were_lost_in_order(log: Log) -> None:
    log.accept(registered(1, **TIMELY))
    log.append(updated(2, sequence=1, fields={"display_name": "Lost"}, **TIMELY))
    log.accept(updated(3, sequence=2, fields={"display_name": "Jo"}, **TIMELY))
    log.append(updated(4, sequence=3, fields={"display_name": "Late"}))  # its deadline is long ago
    log.append(updated(5, sequence=3, fields={"display_name": "Old"}, epoch="epoch-0", **TIMELY))
    log.raw(None)
    log.raw(b"{}")

    done = log.run("verify", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    counts = json.loads(done.stdout)["counts"]
    assert counts == {
        "records": 8,
        "control records": 1,
        "accepted": 2,
        "void": 3,
        "void: sequence": 1,
        "void: deadline": 1,
        "void: epoch": 1,
        "tombstones": 1,
        "undecodable": 1,
        "users": 1,
    }
    assert log.run("verify").stdout.endswith("no fault\n")


def test_verify_names_gaps_duplicates_unknown_types_and_what_does_not_fit(log: Log) -> None:
    log.accept(registered(1, **TIMELY))
    log.append(suspended(2, **TIMELY), times=2)
    log.append(updated(3, sequence=9, fields={"display_name": "Jo"}, **TIMELY))
    log.append(suspended(4, sequence=1, user=2, **TIMELY))
    log.raw(encode(registered(5, user=3, **TIMELY))[1].replace(b"user.registered", b"user.moved"))
    log.append(registered(6, user=4, **TIMELY))

    done = log.run("verify", "--json", "--log-only")

    assert done.returncode == 1
    assert findings(done) == [("duplicate", "0-3"), ("unfit", "0-5"), ("unknown", "0-6"), ("gap", "0-4")]
    assert json.loads(done.stdout.splitlines()[-1])["counts"]["records"] == 6


@pytest.mark.parametrize("planted", ["other field", "old version", "not there", "not gone"])
def test_verify_names_users_who_differ_and_tells_nothing_of_them(log: Log, planted: str) -> None:
    log.accept(registered(1, **TIMELY))
    first = log.state.to_json()
    log.accept(updated(2, fields={"display_name": "Jo"}, **TIMELY))
    other = log.state.model_copy(update={"display_name": "Planted"}).to_json()
    if planted == "not gone":
        log.accept(deleted(3, sequence=3, **TIMELY))
    log.tell(user_id(), {"other field": other, "old version": first, "not there": None, "not gone": first}[planted])

    done = log.run("verify", "--json")

    assert (done.returncode, findings(done)) == (1, [("difference", user_id())])
    assert "Planted" not in done.stdout
    assert "example.org" not in done.stdout


def test_show_tells_every_event_of_a_user_with_its_verdict_and_the_user(log: Log) -> None:
    log.accept(registered(1, actor="clerk-7", **TIMELY))
    log.append(registered(2, user=2, **TIMELY))
    log.append(updated(3, sequence=1, fields={"display_name": "Lost"}, **TIMELY))
    log.accept(updated(4, sequence=2, fields={"display_name": "Jo"}, **TIMELY))

    lines = [json.loads(line) for line in log.run("show", user_id(), "--json").stdout.splitlines()]

    assert [line["verdict"] for line in lines[:-1]] == ["accepted", "void: sequence", "accepted"]
    assert [line["event"]["id"] for line in lines[:-1]] == [event_id(1), event_id(3), event_id(4)]
    assert lines[-1]["user"] == json.loads(log.state.to_json())
    pretty = log.run("show", user_id()).stdout
    assert "void: sequence  2026-11-24 08:30:00.123 user.updated    v1" in pretty
    assert 'display_name="Jo"' in pretty
    assert "by clerk-7" in pretty


def test_show_of_nobody_says_so(log: Log) -> None:
    done = log.run("show", user_id(7))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"user_directory_events: the log has no event of user {user_id(7)}\n"


def test_tail_prints_the_changes_that_meet_the_filters(log: Log) -> None:
    ada = log.directory.register(email="ada@example.org")
    bob = log.directory.register(email="bob@example.org")
    log.directory.update(ada, display_name="Ada\n")
    log.directory.update(bob, attributes={"team": "north"})

    def told(*filters: str) -> list[tuple[str, int]]:
        out = log.run("tail", "--since", "beginning", "--end", "--json", *filters).stdout
        events = [json.loads(line) for line in out.splitlines()]
        return [(event["subject"], event["sequence"]) for event in events]

    assert told() == [(ada, 1), (bob, 1), (ada, 2), (bob, 2)]
    assert told("--type", "user.updated") == [(ada, 2), (bob, 2)]
    assert told("--user", ada) == [(ada, 1), (ada, 2)]
    assert told("--field", "attributes") == [(bob, 2)]
    assert log.run("tail", "--end").stdout == ""
    assert log.run("tail", "--end", "--since", "1d").stdout.splitlines()[2].endswith(f'{ada} display_name="Ada\\n"')


def test_tail_goes_on_as_changes_come_and_ends_with_its_reader(log: Log) -> None:
    command = [sys.executable, "-m", "user_directory_events", "tail", "--changes-topic", log.directory.changes]
    command += ["--bootstrap-servers", log.directory.bootstrap, "--since", "1h"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        log.directory.register()
        assert "user.registered" in process.stdout.readline()
        log.directory.register()
        assert "user.registered" in process.stdout.readline()
        process.terminate()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "--events-topic", "nothing-here"], "topic nothing-here does not exist"),
        (["tail", "--changes-topic", "nothing-here"], "topic nothing-here does not exist"),
        (["show", "x", "--events-topic", "nothing-here"], "topic nothing-here does not exist"),
        (["tail", "--since", "yesterday"], "'yesterday' is no time"),
        (["tail", "--since", "2026-11-24T09:00:00"], "add Z"),
        (["tail", "--option", "security_protocol"], "is not NAME=VALUE"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(kafka_bootstrap: str, arguments: list[str], words: str) -> None:
    command = [sys.executable, "-m", "user_directory_events", *arguments, "--bootstrap-servers", kafka_bootstrap]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_kafka_that_does_not_answer_is_told_in_a_line() -> None:
    command = [sys.executable, "-m", "user_directory_events", "tail", "--bootstrap-servers", "127.0.0.1:1"]
    command += ["--option", "bootstrap_timeout_ms=500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "127.0.0.1:1 cannot be used" in done.stderr
