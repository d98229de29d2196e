"""Commands sent before earlier ones are answered: order, errors, and what a broken connection takes with it."""

import uuid
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from devstack import servers
from projector.requests_ahead import RequestsAhead


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, retry=Retry(NoBackoff(), 0)) as client:
        yield client


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


def test_each_caller_gets_its_own_answers_in_whatever_order_they_ask(redis: Redis, key: str) -> None:
    ahead = RequestsAhead(redis)

    first = ahead.send([("SET", key, 1), ("INCR", key)])
    second = ahead.send([("GET", key)])

    assert second() == [b"2"]
    assert first() == [b"OK", 2]
    assert first() == [b"OK", 2]


def test_answers_that_nobody_waits_for_do_not_become_those_of_others(redis: Redis, key: str) -> None:
    ahead = RequestsAhead(redis)

    ahead.send([("SET", key, "dropped")])
    ahead.send([("LPUSH", key, "wrong type")])

    assert ahead.send([("GET", key)])() == [b"dropped"]
    assert ahead.send([("ECHO", "next")])() == [b"next"]


def test_an_error_of_redis_stands_in_its_place(redis: Redis, key: str) -> None:
    found = RequestsAhead(redis).send([("SET", key, "x"), ("INCR", key), ("GET", key)])()

    assert isinstance(found[1], ResponseError)
    assert (found[0], found[2]) == (b"OK", b"x")


def test_the_connection_is_given_back_once_nothing_is_outstanding(redis_url: str) -> None:
    with Redis.from_url(redis_url, max_connections=1) as only:
        ahead = RequestsAhead(only)
        first, second = ahead.send([("PING",)]), ahead.send([("PING",)])
        assert first() == second() == [b"PONG"]

        assert only.ping()


def test_a_redis_that_goes_away_fails_all_that_is_outstanding_and_a_new_one_is_asked_anew() -> None:
    with servers.redis() as server:
        ahead = RequestsAhead(Redis.from_url(server.url, socket_timeout=2, retry=Retry(NoBackoff(), 0)))
        assert ahead.send([("PING",)])() == [b"PONG"]
        server.pause()
        outstanding = [ahead.send([("PING",)]), ahead.send([("PING",)])]
        server.kill()

        for answers in outstanding:
            with pytest.raises(RedisError):
                answers()
        with pytest.raises(RedisError):
            ahead.send([("PING",)])()

        server.start()
        server.wait_ready()
        assert ahead.send([("PING",)])() == [b"PONG"]


def test_nothing_asked_is_nothing_answered(redis: Redis) -> None:
    assert RequestsAhead(redis).send([])() == []
