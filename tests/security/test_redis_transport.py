"""Redis with TLS and an ACL user for each process: all works, and each is refused what it does not need."""

import httpx
import pytest
import redis

from runtime.redis_connection import RedisConnection
from tests.e2e.people import person
from tests.guarded import PASSWORD, REDIS_USERS
from tests.security.conftest import Castle

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.slow]


def client_of(castle: Castle, user: str) -> redis.Redis:
    return redis.Redis.from_url(castle.access.redis_url_of(user), ssl_ca_certs=str(castle.access.ca_file))


def test_every_process_works_as_its_own_user(castle: Castle) -> None:
    stack = castle.stack
    with httpx.Client(trust_env=False, timeout=15) as client:
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


@pytest.mark.parametrize("user", REDIS_USERS)
def test_nobody_may_do_more_than_needed(castle: Castle, user: str) -> None:
    refused = [("CONFIG", "GET", "*"), ("FLUSHALL",), ("ACL", "LIST"), ("GET", "other:key"), ("SET", "other:key", "1")]
    refused += [("SHUTDOWN",), ("REPLICAOF", "NO", "ONE"), ("KEYS", "*"), ("FLUSHDB",)]
    with client_of(castle, user) as client:
        assert client.ping()
        for command in refused:
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)


def test_the_query_api_can_write_nothing_also_not_from_a_script(castle: Castle) -> None:
    key = f"{castle.stack.key_prefix}:nobody-reads-this"
    admin = redis.Redis.from_url(castle.redis.url)
    admin.set(key, "before")
    scripts = ("return redis.call('SET', KEYS[1], 'x')", "return redis.call('DEL', KEYS[1])")
    writes = [
        ("SET", key, "x"),
        ("DEL", key),
        ("EXPIRE", key, "1"),
        ("RENAME", key, f"{castle.stack.key_prefix}:x"),
        ("PUBLISH", "x", "y"),
    ]
    with client_of(castle, "query-api") as client:
        for command in writes:
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)
        for script in scripts:
            with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)permission|can't run this command"):
                client.execute_command("EVALSHA", client.script_load(script), 1, key)
    assert admin.get(key) == b"before"
    admin.close()


async def test_a_server_with_a_certificate_of_nobody_is_not_talked_to(castle: Castle) -> None:
    connection = RedisConnection(castle.access.redis_url_of("query-api"), connect_timeout_seconds=0.5)
    await connection.start()
    with pytest.raises(redis.exceptions.ConnectionError):
        await connection.execute("PING")
    await connection.close()


def test_a_wrong_password_is_refused(castle: Castle) -> None:
    wrong = castle.access.redis_url_of("projector").replace(PASSWORD, "wrong")
    with (
        redis.Redis.from_url(wrong, ssl_ca_certs=str(castle.access.ca_file)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
