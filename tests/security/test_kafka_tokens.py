"""Kafka that knows the processes by tokens (SASL OAUTHBEARER), which expire while they run."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from runtime.kafka_token import TokenFile
from tests.e2e.people import person
from tests.guarded import KAFKA_USERS, Guarded
from tests.security.conftest import Castle
from tests.stack import Stack

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(240)]
LIFETIME_SECONDS = 6


def write(file: Path, token: str) -> None:
    """Replace a token as the kubelet does, in one step."""
    unfinished = file.with_suffix(".new")
    unfinished.write_text(token)
    unfinished.replace(file)


@contextmanager
def issued(access: Guarded, folder: Path) -> Iterator[dict[str, Path]]:
    """Keep a valid token of each user in a file of its own until the block ends."""
    files = {user: folder / f"{user}.token" for user in KAFKA_USERS}
    done = Event()

    def issue() -> None:
        for user, file in files.items():
            write(file, access.token_for(user, LIFETIME_SECONDS))

    def renew() -> None:
        while not done.wait(LIFETIME_SECONDS / 3):
            issue()

    issue()
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(renew)
        try:
            yield files
        finally:
            done.set()
            renewing.result()


def shown(file: Path, castle: Castle) -> dict[str, object]:
    return {
        "bootstrap_servers": f"127.0.0.1:{castle.access.kafka_port}",
        "security_protocol": "SASL_SSL",
        "ssl_cafile": str(castle.access.ca_file),
        "sasl_mechanism": "OAUTHBEARER",
        "sasl_oauth_token_provider": TokenFile(str(file)),
        "bootstrap_timeout_ms": 3000,
    }


def test_every_process_works_on_after_its_token_has_expired_several_times(castle: Castle, tmp_path: Path) -> None:
    stack = Stack(castle.kafka.bootstrap, castle.redis.url, tmp_path, {}, castle.access)
    with issued(castle.access, tmp_path) as files, httpx.Client(trust_env=False, timeout=15) as client:
        for process in (stack.projector, stack.command_api, stack.relay):
            for name in ("KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"):
                del process.environ[name]
            process.environ["KAFKA_SASL_MECHANISM"] = "OAUTHBEARER"
            process.environ["KAFKA_SASL_TOKEN_FILE"] = str(files[process.name])
        try:
            stack.start()
            end = time.monotonic() + 3 * LIFETIME_SECONDS
            count = 0
            while time.monotonic() < end:
                made = client.post(f"{stack.command_url}/users", json=person())
                assert made.status_code == 201, made.text
                count += 1
                time.sleep(0.2)
            _until_told(client, stack, count)
        except BaseException:
            for name, tail in stack.tails().items():
                print(f"--- {name}\n{tail}")
            raise
        finally:
            stack.stop()


def _until_told(client: httpx.Client, stack: Stack, count: int) -> None:
    line = f'user_directory_relay_events_total{{outcome="relayed"}} {count}.0'
    deadline = time.monotonic() + 30
    while line not in (told := client.get(f"{stack.relay_url}/metrics").text):
        assert time.monotonic() < deadline, told
        time.sleep(0.1)


@pytest.mark.parametrize(
    "token",
    [
        lambda access: access.token_for("projector", -5),
        lambda access: access.token_for("projector", 60)[:-8] + "AAAAAAAA",
        lambda access: "no-token",
    ],
    ids=["expired", "tampered", "none"],
)
def test_a_token_that_is_not_valid_is_refused(castle: Castle, tmp_path: Path, token: Callable[[Guarded], str]) -> None:
    write(tmp_path / "token", token(castle.access))
    with pytest.raises(KafkaError):
        KafkaAdminClient(**shown(tmp_path / "token", castle))


def test_a_valid_token_lets_in_and_no_further_than_its_name_may(castle: Castle, tmp_path: Path) -> None:
    write(tmp_path / "token", castle.access.token_for("relay", 60))
    admin = KafkaAdminClient(**shown(tmp_path / "token", castle))
    try:
        assert castle.stack.events_topic in admin.list_topics()
        with pytest.raises(KafkaError):
            admin.delete_topics([castle.stack.events_topic])
    finally:
        admin.close()
