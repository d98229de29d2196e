"""The webhook forwarder of examples/: changes get through, signed, in order for each user, or to the dead letters."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.contract.consumer.kafka_directory import KafkaDirectory

pytestmark = pytest.mark.kafka
EXAMPLE = Path(__file__).parents[3] / "examples" / "webhooks.py"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """A web service that verifies each message with the specification's own package, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, list[int]] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                message = Webhook(SECRET).verify(body, dict(self.headers))
                status = (receiver.answers.get(message["data"]["user"]) or [204]).pop(0)
                if status == 204:
                    receiver.got.append((self.headers["webhook-id"], message))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Keep the tests' output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def versions(self, user: str) -> list[int]:
        """Return the versions of a user that got through, each message once, in the order of the first time."""
        seen = dict(reversed(self.got))
        first = list(dict.fromkeys(message_id for message_id, _ in self.got))
        return [seen[i]["data"]["version"] for i in first if seen[i]["data"]["user"] == user]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def directory(kafka_bootstrap: str) -> Iterator[KafkaDirectory]:
    made = KafkaDirectory(kafka_bootstrap)
    yield made
    made.close()


def command(directory: KafkaDirectory, receiver: Receiver, folder: Path, *more: str) -> list[str]:
    topics = ["--changes-topic", directory.changes, "--users-topic", directory.users]
    return [sys.executable, str(EXAMPLE), receiver.url, str(folder), directory.bootstrap, *topics, *more]


def start(directory: KafkaDirectory, receiver: Receiver, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "WEBHOOK_SECRET": SECRET}
    process = subprocess.Popen(command(directory, receiver, folder, *more), env=environ)
    wait(lambda: (folder / "checkpoint.json").exists() and "until" not in (folder / "checkpoint.json").read_text())
    return process


def wait(done: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    assert process.wait(20) == 0


def test_changes_get_through_signed_and_in_order_also_after_a_kill(
    directory: KafkaDirectory, receiver: Receiver, tmp_path: Path
) -> None:
    early = directory.register()
    process = start(directory, receiver, tmp_path)
    users = [directory.register(), directory.register()]
    receiver.answers[users[0]] = [503, 429, 204]
    for number in range(30):
        directory.update(users[number % 2], display_name=f"Jo {number}")
    wait(lambda: len(receiver.versions(users[0])) > 3)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    directory.suspend(users[0])

    process = start(directory, receiver, tmp_path)
    wait(lambda: receiver.versions(users[0])[-1:] == [17] and len(receiver.versions(users[1])) == 16)
    end(process)

    assert receiver.versions(users[0]) == list(range(1, 18))
    assert receiver.versions(users[1]) == list(range(1, 17))
    assert receiver.versions(early) == []
    assert not (tmp_path / "dead-letters.ndjson").exists()
    message = next(message for _, message in receiver.got if message["data"]["user"] == users[0])
    assert message["type"] == "user.registered"
    assert message["data"] == {"user": users[0], "version": 1, "changes": {"email": "user-1@example.org"}}


def test_what_is_refused_for_good_or_too_often_is_kept_and_can_be_posted_once_more(
    directory: KafkaDirectory, receiver: Receiver, tmp_path: Path
) -> None:
    process = start(directory, receiver, tmp_path, "--attempts", "2")
    ids = ["00000000-0000-7000-9000-000000000001", "00000000-0000-7000-9000-000000000002"]
    receiver.answers = {ids[0]: [400], ids[1]: [500, 500]}
    for user in ids:
        directory.register(user)
    last = directory.register()
    wait(lambda: receiver.versions(last) == [1])
    dead = tmp_path / "dead-letters.ndjson"
    wait(lambda: dead.exists() and len(dead.read_text().splitlines()) == 2)
    end(process)
    letters = [json.loads(line) for line in dead.read_text().splitlines()]
    assert sorted(letter["reason"] for letter in letters) == ["status 400", "status 500 after 2 attempts"]

    receiver.answers[ids[0]] = [400]
    replay = subprocess.run(
        command(directory, receiver, tmp_path, "--replay"), env={**os.environ, "WEBHOOK_SECRET": SECRET}, check=False
    )

    assert replay.returncode == 0
    assert receiver.versions(ids[1]) == [1]
    assert [json.loads(line)["reason"] for line in dead.read_text().splitlines()] == ["status 400"]
    assert not (tmp_path / "replaying.ndjson").exists()


def test_without_a_secret_it_says_what_to_do(directory: KafkaDirectory, receiver: Receiver, tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "WEBHOOK_SECRET"}
    called = command(directory, receiver, tmp_path)
    done = subprocess.run(called, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "set WEBHOOK_SECRET" in done.stderr
