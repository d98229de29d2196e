"""Redis with TLS and an ACL user for each process: all works, and each is refused what it does not need."""

import re
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import redis
import trustme

from devstack import servers
from devstack.servers import free_port
from runtime.redis_connection import RedisConnection
from tests.e2e.people import person
from tests.stack import Stack

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.slow]
DOCUMENTED = Path(__file__).parents[2] / "docs" / "security.md"
PREFIX = "user-directory"
USERS = ("query-api", "command-api", "projector", "relay")


@dataclass
class Guarded:
    """A Redis that is reached with TLS and a name only; `admin` is the test's own way in."""

    port: int
    ca_file: str
    admin: redis.Redis

    def url(self, user: str) -> str:
        return f"rediss://{user}:PASSWORD@127.0.0.1:{self.port}/0"

    def settings(self, user: str) -> dict[str, str]:
        return {"REDIS_URL": self.url(user), "REDIS_CA_FILE": self.ca_file}

    def client(self, user: str) -> redis.Redis:
        return redis.Redis.from_url(self.url(user), ssl_ca_certs=self.ca_file)


def documented_commands() -> list[list[str]]:
    """Return what the documentation says to type, as words of Redis."""
    text = DOCUMENTED.read_text().replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in re.findall(r"^redis-cli ACL SETUSER .*$", text, re.MULTILINE)]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder, authority, port = tmp_path_factory.mktemp("tls"), trustme.CA(), free_port()
    certificate = authority.issue_cert("127.0.0.1")
    names = {"cert": folder / "server.pem", "key": folder / "server.key", "ca-cert": folder / "ca.pem"}
    certificate.cert_chain_pems[0].write_to_path(str(names["cert"]))
    certificate.private_key_pem.write_to_path(str(names["key"]))
    authority.cert_pem.write_to_path(str(names["ca-cert"]))
    options = {f"tls-{name}-file": str(path) for name, path in names.items()}
    options |= {"tls-port": str(port), "tls-auth-clients": "no"}
    with servers.redis(options=options) as server, redis.Redis.from_url(server.url) as admin:
        for command in documented_commands():
            admin.execute_command(*command)
        yield Guarded(port, str(names["ca-cert"]), admin)


@contextmanager
def stack_of(kafka_bootstrap: str, guarded: Guarded, directory: Path) -> Iterator[Stack]:
    """Run the processes, each as its own user."""
    settings = guarded.settings("projector") | {"REDIS_KEY_PREFIX": PREFIX}
    stack = Stack(kafka_bootstrap, guarded.url("projector"), directory, settings)
    others = ((stack.command_api, "command-api"), (stack.query_api, "query-api"), (stack.relay, "relay"))
    for process, user in others:
        process.environ = {**process.environ, **guarded.settings(user)}
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def test_every_process_works_as_its_own_user(kafka_bootstrap: str, guarded: Guarded, tmp_path: Path) -> None:
    with stack_of(kafka_bootstrap, guarded, tmp_path) as stack, httpx.Client(trust_env=False, timeout=15) as client:
        made = client.post(f"{stack.command_url}/users", json=person())
        assert made.status_code == 201, made.text
        path = f"/users/{made.json()['id']}"
        patched = client.patch(f"{stack.command_url}{path}", json={"display_name": "Zoë"})
        assert patched.status_code == 200, patched.text
        fresh = {"Consistency-Token": patched.headers["Consistency-Token"], "Prefer": "wait=5"}
        for read in (path, f"{path}/history", "/users?q=zoe", "/users/count", "/users/export", f"{path}?version=1"):
            answer = client.get(f"{stack.query_url}{read}", headers=fresh)
            assert answer.status_code == 200, (read, answer.text)
        found = client.post(f"{stack.query_url}/users/lookup", json={"ids": [made.json()["id"]]}, headers=fresh)
        assert found.json()["missing"] == []
        with client.stream("GET", f"{stack.query_url}/changes") as feed:
            assert feed.status_code == 200
        assert client.get(f"{stack.query_url}/readyz").status_code == 200
        relayed = 'user_directory_relay_events_total{outcome="relayed"} 2.0'
        deadline = time.monotonic() + 20
        while relayed not in (told := client.get(f"{stack.relay_url}/metrics").text):
            assert time.monotonic() < deadline, told
            time.sleep(0.1)


@pytest.mark.parametrize("user", USERS)
def test_nobody_may_do_more_than_needed(guarded: Guarded, user: str) -> None:
    refused = [("CONFIG", "GET", "*"), ("FLUSHALL",), ("ACL", "LIST"), ("GET", "other:key"), ("SET", "other:key", "1")]
    refused += [("SHUTDOWN",), ("REPLICAOF", "NO", "ONE"), ("KEYS", "*"), ("FLUSHDB",)]
    with guarded.client(user) as client:
        assert client.ping()
        for command in refused:
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)


def test_the_query_api_can_write_nothing_also_not_from_a_script(guarded: Guarded) -> None:
    key = f"{PREFIX}:live"
    guarded.admin.set(key, "before")
    scripts = ("return redis.call('SET', KEYS[1], 'x')", "return redis.call('DEL', KEYS[1])")
    writes = [
        ("SET", key, "x"),
        ("DEL", key),
        ("EXPIRE", key, "1"),
        ("RENAME", key, f"{PREFIX}:x"),
        ("PUBLISH", "x", "y"),
    ]
    with guarded.client("query-api") as client:
        for command in writes:
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)
        for script in scripts:
            with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)permission|can't run this command"):
                client.execute_command("EVALSHA", client.script_load(script), 1, key)
    assert guarded.admin.get(key) == b"before"


async def test_a_server_with_a_certificate_of_nobody_is_not_talked_to(guarded: Guarded) -> None:
    connection = RedisConnection(guarded.url("query-api"), connect_timeout_seconds=0.5)
    await connection.start()
    with pytest.raises(redis.exceptions.ConnectionError):
        await connection.execute("PING")
    await connection.close()


def test_a_wrong_password_is_refused(guarded: Guarded) -> None:
    wrong = guarded.url("projector").replace("PASSWORD", "wrong")
    with redis.Redis.from_url(wrong, ssl_ca_certs=guarded.ca_file) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
