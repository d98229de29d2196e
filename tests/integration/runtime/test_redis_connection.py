"""The multiplexed connection against a real Redis, also while that is killed, frozen, replaced or demoted."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import exceptions as redis_errors

from devstack import servers
from devstack.redis_server import RedisServer
from runtime.redis_connection import Execute, Overloaded, RedisConnection

pytestmark = pytest.mark.redis

DEADLINE_SECONDS = 10.0


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisConnection]:
    async with connected(redis_url) as connection:
        yield connection


@pytest.fixture
def key() -> str:
    return f"test:{uuid4()}"


@pytest.fixture
def private() -> Iterator[RedisServer]:
    """A Redis that the test may hurt."""
    with servers.redis() as server:
        yield server


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[RedisConnection]:
    """Connect, with time-outs that a busy machine keeps unless the test is about them."""
    patient = {"timeout_seconds": DEADLINE_SECONDS, "connect_timeout_seconds": DEADLINE_SECONDS}
    connection = RedisConnection(url, **(patient | options))
    await connection.start()
    try:
        yield connection
    finally:
        await connection.close()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.005)


def blocked(redis: RedisConnection, key: str) -> "asyncio.Task[Any]":
    """Send a command that Redis does not answer before its list gets an element."""
    return asyncio.create_task(redis.execute("BLPOP", key, 0))


# Commands and replies


async def test_replies_have_their_redis_types(redis: RedisConnection, key: str) -> None:
    assert await redis.execute("SET", key, b"\x00\xff") == b"OK"
    assert await redis.execute("GET", key) == b"\x00\xff"
    assert await redis.execute("GET", f"{key}:none") is None
    assert await redis.execute("INCRBY", f"{key}:n", 5) == 5
    assert await redis.execute("MGET", key, f"{key}:n", f"{key}:none") == [b"\x00\xff", b"5", None]


async def test_ten_thousand_tasks_get_their_own_replies(redis: RedisConnection) -> None:
    replies = await asyncio.gather(*(redis.execute("ECHO", number) for number in range(10_000)))
    assert replies == [str(number).encode() for number in range(10_000)]


async def test_commands_sent_together_all_run_though_one_fails(redis: RedisConnection, key: str) -> None:
    assert await redis.execute_many([("SET", key, 1), ("INCR", key), ("GET", key)]) == [b"OK", 2, b"2"]
    assert await redis.execute_many([]) == []
    with pytest.raises(redis_errors.ResponseError, match="not an integer"):
        await redis.execute_many([("SET", key, "a"), ("INCR", key), ("SET", key, "after")])
    assert await redis.execute("GET", key) == b"after"


async def test_an_error_reply_concerns_its_own_caller_only(redis: RedisConnection, key: str) -> None:
    before, error, after = await asyncio.gather(
        redis.execute("ECHO", "a"), redis.execute("LPUSH"), redis.execute("ECHO", "b"), return_exceptions=True
    )
    assert (before, after) == (b"a", b"b")
    assert isinstance(error, redis_errors.ResponseError)


async def test_values_far_larger_than_any_buffer(redis: RedisConnection, key: str) -> None:
    values = [bytes([number]) * 4_000_000 for number in range(20)]
    await asyncio.gather(*(redis.execute("SET", f"{key}:{n}", value, "EX", 60) for n, value in enumerate(values)))
    assert await redis.execute("MGET", *(f"{key}:{n}" for n in range(20))) == values
    await redis.execute("DEL", *(f"{key}:{n}" for n in range(20)))


async def test_an_argument_that_redis_cannot_take_sends_nothing(redis: RedisConnection) -> None:
    with pytest.raises(TypeError):
        await redis.execute("ECHO", None)  # type: ignore[arg-type]
    assert await redis.execute("ECHO", "next") == b"next"


async def test_a_script_survives_script_flush(private: RedisServer) -> None:
    async with connected(private.url) as redis:
        script = redis.script("return {KEYS[1], ARGV[1]}")
        assert await script(["key"], [7]) == [b"key", b"7"]
        await redis.execute("SCRIPT", "FLUSH")
        replies = await asyncio.gather(*(script(["key"], [number]) for number in range(50)))
        assert replies == [[b"key", str(number).encode()] for number in range(50)]


async def test_a_script_that_fails_is_not_run_again(redis: RedisConnection, key: str) -> None:
    script = redis.script("redis.call('INCR', KEYS[1]) return redis.call('LPUSH', KEYS[1], 1)")
    with pytest.raises(redis_errors.ResponseError, match="WRONGTYPE"):
        await script([key])
    assert await redis.execute("GET", key) == b"1"


# Cancellation and back-pressure


async def test_cancelled_callers_do_not_shift_replies(redis: RedisConnection) -> None:
    choice = random.Random(1)
    tasks = [asyncio.create_task(redis.execute("ECHO", number)) for number in range(1_000)]
    await asyncio.sleep(0)
    cancelled = {number for number in range(1_000) if choice.random() < 0.5}
    for number in cancelled:
        tasks[number].cancel()
    replies = await asyncio.gather(*tasks, return_exceptions=True)
    for number, reply in enumerate(replies):
        if number in cancelled:
            assert isinstance(reply, asyncio.CancelledError)
        else:
            assert reply == str(number).encode()


async def test_a_caller_cancelled_while_redis_is_busy_leaves_the_connection_right(
    redis: RedisConnection, redis_url: str, key: str
) -> None:
    task = blocked(redis, key)
    await asyncio.sleep(0)
    behind = asyncio.create_task(redis.execute("ECHO", "behind"))
    task.cancel()
    async with connected(redis_url) as other:
        await other.execute("LPUSH", key, "element")
    assert await behind == b"behind"
    assert await redis.execute("ECHO", "later") == b"later"


async def test_more_commands_than_may_wait_are_refused(private: RedisServer) -> None:
    async with connected(private.url, max_pending=100) as redis:
        private.pause()
        waiting = [asyncio.create_task(redis.execute("INCR", "count")) for _ in range(100)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await redis.execute("INCR", "count")
        with pytest.raises(Overloaded):
            await redis.execute_many([("INCR", "count")] * 2)
        private.resume()
        assert await asyncio.gather(*waiting) == list(range(1, 101))
        assert await redis.execute("INCR", "count") == 101


# Faults


async def test_a_frozen_redis_times_commands_out_and_is_left(private: RedisServer) -> None:
    async with connected(private.url, timeout_seconds=0.3, connect_timeout_seconds=0.3) as redis:
        private.pause()
        started = time.monotonic()
        results = await asyncio.gather(*(redis.execute("ECHO", n) for n in range(100)), return_exceptions=True)
        assert {type(result) for result in results} == {redis_errors.TimeoutError}
        assert 0.25 < time.monotonic() - started < DEADLINE_SECONDS
        assert not redis.connected
        started = time.monotonic()
        with pytest.raises(redis_errors.ConnectionError):
            await redis.execute("ECHO", "while frozen")
        assert time.monotonic() - started < DEADLINE_SECONDS
        private.resume()
        await until(lambda: redis.connected)
        assert await redis.execute("ECHO", "after") == b"after"


async def test_a_killed_redis_fails_what_waits_and_is_found_again(private: RedisServer) -> None:
    async with connected(private.url) as redis:
        tasks = [blocked(redis, f"list:{number}") for number in range(3)]
        await asyncio.sleep(0)
        private.kill()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [redis_errors.ConnectionError] * 3
        meanwhile = asyncio.create_task(redis.execute("ECHO", "meanwhile"))
        await until(lambda: not redis.connected)
        await asyncio.to_thread(private.restart)
        assert await meanwhile == b"meanwhile"


async def test_a_connection_closed_by_redis_is_made_anew(private: RedisServer) -> None:
    async with connected(private.url) as redis, connected(private.url) as other:
        for _ in range(5):
            mine = await redis.execute("CLIENT", "ID")
            assert await other.execute("CLIENT", "KILL", "ID", mine) == 1
            await until(lambda: not redis.connected)
            assert await redis.execute("CLIENT", "ID") > mine


async def test_a_command_without_an_answer_is_never_sent_again() -> None:
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            received.append(data)
            if b"INCR" in data:
                break
            writer.write(b"+PONG\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, connected(f"redis://127.0.0.1:{port}/0") as redis:
        with pytest.raises(redis_errors.ConnectionError):
            await redis.execute("INCR", "count")
        assert await redis.execute("ECHO", "x") == b"PONG"
    assert sum(b"INCR" in data for data in received) == 1


async def test_a_demoted_redis_is_left_and_the_address_asked_again(private: RedisServer) -> None:
    async with connected(private.url) as redis:
        before = await redis.execute("CLIENT", "ID")
        await redis.execute("REPLICAOF", "127.0.0.1", 1)
        with pytest.raises(redis_errors.ReadOnlyError):
            await redis.execute("SET", "key", 1)
        assert await redis.execute("CLIENT", "ID") > before
        await redis.execute("REPLICAOF", "NO", "ONE")
        assert await redis.execute("SET", "key", 1) == b"OK"


async def test_a_process_starts_without_redis_and_serves_when_it_comes(private: RedisServer) -> None:
    private.kill()
    started = time.monotonic()
    async with connected(private.url, connect_timeout_seconds=0.3) as redis:
        assert not redis.connected
        with pytest.raises(redis_errors.ConnectionError):
            await redis.execute("PING")
        assert time.monotonic() - started < DEADLINE_SECONDS
        await asyncio.to_thread(private.restart)
        await until(lambda: redis.connected)
        assert await redis.execute("PING") == b"PONG"


# Connecting


async def test_a_new_connection_is_prepared_before_anything_else_is_sent(private: RedisServer) -> None:
    async def prepare(execute: Execute) -> None:
        await execute("INCR", "prepared")

    async with connected(private.url, on_connect=prepare) as redis:
        assert await redis.execute("GET", "prepared") == b"1"
        async with connected(private.url) as other:
            await other.execute("CLIENT", "KILL", "ID", await redis.execute("CLIENT", "ID"))
        await until(lambda: not redis.connected)
        assert await redis.execute("GET", "prepared") == b"2"


async def test_a_connection_that_cannot_be_prepared_is_refused_and_tried_again(private: RedisServer) -> None:
    attempts = 0

    async def refuse_twice(_execute: Execute) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 2:
            raise redis_errors.ResponseError("not this one")

    async with connected(private.url, on_connect=refuse_twice) as redis:
        assert await redis.execute("PING") == b"PONG"
    assert attempts == 3


async def test_password_user_and_database_come_from_the_url(private: RedisServer) -> None:
    async with connected(private.url) as admin:
        await admin.execute("ACL", "SETUSER", "reader", "on", ">se cret", "~*", "+@all")
    url = f"redis://reader:se%20cret@127.0.0.1:{private.port}/5"
    async with connected(url) as redis:
        assert await redis.execute("ACL", "WHOAMI") == b"reader"
        assert b" db=5 " in await redis.execute("CLIENT", "INFO")
        await redis.execute("CONFIG", "SET", "requirepass", "other")
    async with connected(f"redis://:other@127.0.0.1:{private.port}/0") as redis:
        assert await redis.execute("ACL", "WHOAMI") == b"default"
    async with connected(f"redis://:wrong@127.0.0.1:{private.port}/0", connect_timeout_seconds=0.3) as redis:
        assert not redis.connected
        with pytest.raises(redis_errors.ConnectionError):
            await redis.execute("PING")


async def test_a_unix_socket(tmp_path: Path) -> None:
    with servers.redis(options={"unixsocket": str(tmp_path / "redis.sock")}):
        async with connected(f"unix://{tmp_path}/redis.sock") as redis:
            assert await redis.execute("PING") == b"PONG"


# Closing


async def test_close_waits_for_the_replies_owed(redis_url: str, key: str) -> None:
    redis = RedisConnection(redis_url, timeout_seconds=DEADLINE_SECONDS)
    await redis.start()
    tasks = [asyncio.create_task(redis.execute("ECHO", number)) for number in range(1_000)]
    await asyncio.sleep(0)
    await redis.close()
    assert await asyncio.gather(*tasks) == [str(number).encode() for number in range(1_000)]
    with pytest.raises(redis_errors.ConnectionError):
        await redis.execute("PING")


async def test_close_does_not_wait_for_ever(redis_url: str, key: str) -> None:
    redis = RedisConnection(redis_url, timeout_seconds=0.3)
    await redis.start()
    task = blocked(redis, key)
    await asyncio.sleep(0)
    await redis.close()
    with pytest.raises((redis_errors.ConnectionError, redis_errors.TimeoutError)):
        await task


async def test_a_closed_connection_can_be_started_again(redis_url: str) -> None:
    redis = RedisConnection(redis_url)
    for _ in range(3):
        await redis.start()
        assert await redis.execute("PING") == b"PONG"
        await redis.close()
        assert not redis.connected
