"""How often one caller may ask: the bank in Redis, leases over several processes, and what clients are told."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisGone

from runtime.client_address import ClientAddresses, networks
from runtime.rate_limits import RateLimit, RedisBank
from runtime.redis_connection import RedisConnection
from tests.security import apps
from tests.security.tokens import Issuer, token
from tests.unit.query_api.memory_directory import make_user

USER = f"/users/{make_user(1).id}"
needs_redis = pytest.mark.redis


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class MemoryBank:
    """A bank with a fixed number of requests, which counts how often it is asked."""

    def __init__(self, there: int) -> None:
        self.there = there
        self.asked = 0
        self.gone = False

    async def take(self, key: str, quota: int, window: float, wanted: int) -> tuple[int, int, float]:
        self.asked += 1
        if self.gone:
            raise RedisGone
        granted = min(wanted, self.there)
        self.there -= granted
        return granted, self.there, 0.0 if granted else 2.5


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(redis_url)
    await connection.start()
    yield connection
    await connection.close()


@pytest.fixture
def bank(redis: RedisConnection) -> RedisBank:
    return RedisBank(redis, f"test-{uuid.uuid4().hex}")


async def passed(limit: RateLimit, caller: str, asked: int) -> int:
    return sum([(await limit.spend(caller))[0] for _ in range(asked)])


@needs_redis
async def test_several_processes_let_pass_the_quota_together(bank: RedisBank) -> None:
    processes = [RateLimit("subject", 100, 3600, bank) for _ in range(4)]
    assert sum(await asyncio.gather(*(passed(process, "a", 100) for process in processes))) == 100
    assert await passed(processes[0], "b", 10) == 10


@needs_redis
async def test_the_quota_comes_back_with_the_time(bank: RedisBank) -> None:
    limit = RateLimit("subject", 10, 1, bank)
    assert await passed(limit, "a", 50) == 10
    async with asyncio.timeout(10):
        while not (await limit.spend("a"))[0]:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.02)


@needs_redis
async def test_what_is_granted_and_told_is_what_there_is(bank: RedisBank) -> None:
    assert await bank.take("k", 10, 3600, 4) == (4, 6, 0.0)
    assert await bank.take("k", 10, 3600, 20) == (6, 0, 0.0)
    granted, left, wait = await bank.take("k", 10, 3600, 1)
    assert (granted, left) == (0, 0)
    assert 355 < wait <= 360


async def test_most_requests_cost_no_trip_to_redis() -> None:
    bank = MemoryBank(1000)
    limit = RateLimit("subject", 1000, 10, bank)
    assert await passed(limit, "a", 400) == 400
    assert bank.asked == 400 / (1000 / 50)


async def test_who_was_refused_costs_no_trip_until_it_may_try_again() -> None:
    bank, clock = MemoryBank(1), Clock()
    limit = RateLimit("subject", 10, 10, bank, clock)
    assert await limit.spend("a") == (True, 0, 10)
    assert await limit.spend("a") == (False, 0, 3)
    clock.now += 1
    assert await limit.spend("a") == (False, 0, 2)
    assert bank.asked == 2
    clock.now += 2
    bank.there = 1
    assert (await limit.spend("a"))[0]


async def test_an_unused_lease_ends_with_the_window() -> None:
    bank, clock = MemoryBank(1000), Clock()
    limit = RateLimit("subject", 500, 10, bank, clock)
    await limit.spend("a")
    clock.now += 11
    bank.there = 0
    assert not (await limit.spend("a"))[0]


async def test_without_redis_everybody_passes() -> None:
    bank = MemoryBank(0)
    bank.gone = True
    assert await passed(RateLimit("subject", 1, 10, bank), "a", 5) == 5


async def test_what_is_remembered_of_callers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.rate_limits.MOST_CALLERS", 3)
    limit = RateLimit("address", 100, 10, MemoryBank(1000))
    for number in range(20):
        await limit.spend(str(number))
        assert len(limit._leases) <= 3


def limits(redis_url: str, **more: Any) -> dict[str, Any]:
    prefix = f"test-{uuid.uuid4().hex}"
    return {"redis_url": redis_url, "redis_key_prefix": prefix, "rate_limit_window_seconds": 3600, **more}


@needs_redis
async def test_a_subject_that_asks_too_often_is_told_when_to_come_again(issuer: Issuer, redis_url: str) -> None:
    async with apps.client(apps.query(issuer, **limits(redis_url, rate_limit_subject=5))) as client:
        answers = [await apps.ask(client, "GET", USER, token(sub="one")) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert answers[0].headers["ratelimit-policy"] == '"subject";q=5;w=3600'
        assert [answer.headers["ratelimit"] for answer in answers] == [
            *(f'"subject";r={left};t=3600' for left in (4, 3, 2, 1, 0)),
            f'"subject";r=0;t={answers[-1].headers["retry-after"]}',
        ]
        assert answers[-1].json["type"] == "urn:user-directory:problem:too-many-requests"
        assert 700 <= int(answers[-1].headers["retry-after"]) <= 720
        assert (await apps.ask(client, "GET", USER, token(sub="other"))).status_code == 200
        assert (await apps.ask(client, "GET", "/healthz")).status_code == 200


@needs_redis
async def test_an_address_is_counted_also_for_what_is_refused(issuer: Issuer, redis_url: str) -> None:
    settings = limits(redis_url, rate_limit_address=6, trusted_proxies="127.0.0.0/8")
    async with apps.client(apps.query(issuer, **settings)) as client:
        asked = [
            await apps.ask(client, "GET", path, minted, headers={"X-Forwarded-For": f"{number}.9.9.9, 7.7.7.7"})
            for number, (path, minted) in enumerate(
                [(USER, None), ("/nowhere", None), (USER, "bad"), (USER, token())] * 2
            )
        ]
        assert [answer.status_code for answer in asked] == [401, 404, 401, 200, 401, 404, 429, 429]
        other = await apps.ask(client, "GET", USER, token(), headers={"X-Forwarded-For": "7.7.7.8"})
        assert other.status_code == 200


class FakeRequest:
    def __init__(self, peer: str | None, *forwarded: str) -> None:
        headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
        self.scope = {"client": None if peer is None else (peer, 1), "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.1", ("8.8.8.8",), "8.8.8.8"),
        ("10.0.0.1", ("1.1.1.1, 8.8.8.8",), "8.8.8.8"),
        ("10.0.0.1", ("8.8.8.8, 10.0.0.2",), "8.8.8.8"),
        ("10.0.0.1", ("1.1.1.1", "8.8.8.8, 10.0.0.2"), "8.8.8.8"),
        ("10.0.0.1", ("1.1.1.1, nonsense",), "10.0.0.1"),
        ("10.0.0.1", ("1.1.1.1, nonsense, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("2001:db8::1",), "2001:db8::1"),
        ("9.9.9.9", ("8.8.8.8",), "9.9.9.9"),
        (None, ("8.8.8.8",), "unknown"),
    ],
)
def test_only_what_our_own_proxies_wrote_is_believed(
    peer: str | None, forwarded: tuple[str, ...], expected: str
) -> None:
    request: Any = FakeRequest(peer, *forwarded)
    assert ClientAddresses(networks("10.0.0.0/8")).of(request) == expected


def test_without_proxies_of_ours_nothing_is_believed() -> None:
    request: Any = FakeRequest("10.0.0.1", "8.8.8.8")
    assert ClientAddresses([]).of(request) == "10.0.0.1"
