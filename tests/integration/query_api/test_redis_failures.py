"""The query API, as it is wired, while Redis fails: 503 within a bounded time, and service again by itself."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest
from falcon.testing import ASGIConductor, Result

from devstack import servers
from devstack.redis_server import RedisServer
from query_api.app import create_app
from query_api.settings import QuerySettings
from tests.contract.query_api.worlds import RedisWorld, redis_world
from tests.sample_events import NOW, registered, user_id
from tests.unit.query_api.memory_directory import LOG_ID, make_user

pytestmark = pytest.mark.redis

USER = make_user(1)
SEARCH = "/users?q=user&status=active&sort=name"
READS = [f"/users/{USER.id}", "/users", f"/users?email={USER.email}", "/users/export", SEARCH]
PAST = f"/users/{user_id()}?version=1"
BOUND_SECONDS = 3


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with servers.redis(persistent=True) as running:
        yield running


@asynccontextmanager
async def service(url: str, world: RedisWorld) -> AsyncIterator[ASGIConductor]:
    settings = QuerySettings(auth="off", redis_url=url, redis_key_prefix=world.keys.prefix, access_log=False)
    async with ASGIConductor(create_app(settings)) as client:
        yield client


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[ASGIConductor]:
    async with redis_world(server.url) as world, service(server.url, world) as client:
        await world.put(USER)
        await world.record(registered(), NOW)
        yield client


async def until_served(client: ASGIConductor, path: str) -> Result:
    deadline = monotonic() + 20
    while (answer := await client.simulate_get(path)).status_code != 200:
        assert monotonic() < deadline
    return answer


@pytest.mark.parametrize("path", [*READS, PAST, PAST.replace("?version=1", "/history")])
@pytest.mark.parametrize("failure", ["kill", "pause"])
async def test_a_failing_redis_is_a_503_and_service_resumes_by_itself(
    client: ASGIConductor, server: RedisServer, failure: str, path: str
) -> None:
    before = await client.simulate_get(path)
    assert before.status_code == 200

    await asyncio.to_thread(server.kill if failure == "kill" else server.pause)
    for _ in range(2):
        begun = monotonic()
        answer = await client.simulate_get(path)
        assert (answer.status_code, answer.json["type"]) == (503, "urn:user-directory:problem:service-unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert monotonic() - begun < BOUND_SECONDS
    assert (await client.simulate_get("/readyz")).status_code == 503
    assert (await client.simulate_get("/healthz")).status_code == 200

    await asyncio.to_thread(server.restart if failure == "kill" else server.resume)
    assert (await until_served(client, path)).content == before.content
    assert (await client.simulate_get("/readyz")).status_code == 200


async def test_a_wait_for_a_token_ends_when_redis_fails(client: ASGIConductor, server: RedisServer) -> None:
    headers = {"Consistency-Token": f"{LOG_ID}.0-1000", "Prefer": "wait=20"}
    reading = asyncio.create_task(client.simulate_get(READS[0], headers=headers))
    await asyncio.wait([reading], timeout=0.1)
    assert not reading.done()

    await asyncio.to_thread(server.kill)
    answer = await asyncio.wait_for(reading, BOUND_SECONDS)

    assert (answer.status_code, answer.json["type"]) == (503, "urn:user-directory:problem:service-unavailable")


async def test_a_redis_that_comes_back_empty_is_not_an_empty_directory(
    client: ASGIConductor, server: RedisServer
) -> None:
    await until_served(client, READS[0])
    await asyncio.to_thread(server.restart, wipe=True)

    for path in READS:
        for _ in range(3):
            answer = await client.simulate_get(path)
            assert (answer.status_code, answer.json["type"]) == (503, "urn:user-directory:problem:service-unavailable")


async def test_the_service_starts_without_redis(server: RedisServer) -> None:
    async with redis_world(server.url) as world:
        await world.put(USER)
        await asyncio.to_thread(server.kill)
        async with service(server.url, world) as client:
            assert (await client.simulate_get(READS[0])).status_code == 503

            await asyncio.to_thread(server.restart)

            await until_served(client, READS[0])


async def test_a_replica_serves_every_read(server: RedisServer) -> None:
    with servers.redis(replica_of=server) as replica:
        async with redis_world(server.url) as world, service(replica.url, world) as client:
            for version, path in enumerate(READS, 1):
                offset = await world.put(make_user(1, version=version))
                await until_served(client, path)
                headers = {"Consistency-Token": f"{LOG_ID}.0-{offset}", "Prefer": "wait=20"}
                answer = await client.simulate_get(path, headers=headers)
                assert b'"version":%d' % version in answer.content
            await world.record(registered(), NOW)
            assert (await until_served(client, PAST)).json["version"] == 1
