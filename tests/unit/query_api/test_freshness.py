import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from time import perf_counter

import pytest
from falcon.testing import ASGIConductor

from query_api.app import create_app
from query_api.freshness import preferred_wait
from query_api.settings import QuerySettings
from read_models.consistency import token
from tests.sample_events import NOW, registered
from tests.unit.query_api.memory_directory import LOG_ID, MemoryDirectory, make_user
from user_directory_events.timestamps import from_milliseconds

USER = make_user(7)
READS = [
    f"/users/{USER.id}",
    f"/users/{USER.id}?version=1",
    f"/users/{USER.id}?at={from_milliseconds(NOW)}",
    f"/users/{USER.id}/history",
    "/users",
    f"/users?email={USER.email}",
    "/users/export",
]


@pytest.fixture(autouse=True)
def one_user(directory: MemoryDirectory) -> None:
    directory.record(registered(subject=USER.id), NOW, partition=1)
    directory.put(USER, partition=1, offset=41)


@pytest.fixture
async def impatient_client(directory: MemoryDirectory) -> AsyncIterator[ASGIConductor]:
    async with ASGIConductor(
        create_app(QuerySettings(auth="off", max_wait_seconds=0, access_log=False), directory)
    ) as conductor:
        yield conductor


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize(
    "seen",
    [
        token(LOG_ID, 1, 41),
        token(LOG_ID, 1, 3),
        f"{LOG_ID}.0-0.1-41",
        f"{token(LOG_ID, 1, 41)} , {token(LOG_ID, 0, 0)}",
    ],
)
async def test_a_state_that_is_new_enough_is_answered(client: ASGIConductor, path: str, seen: str) -> None:
    answer = await client.simulate_get(path, headers={"Consistency-Token": seen})

    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("seen", [token(LOG_ID, 1, 42), f"{token(LOG_ID, 0, 0)}, {token(LOG_ID, 2, 1)}"])
async def test_without_a_preference_nobody_waits(
    client: ASGIConductor, directory: MemoryDirectory, path: str, seen: str
) -> None:
    answer = await client.simulate_get(path, headers={"Consistency-Token": seen})

    assert (answer.status_code, answer.json["type"]) == (503, "urn:user-directory:problem:not-yet-visible")
    assert int(answer.headers["retry-after"]) >= 1
    assert directory.asked == 1


@pytest.mark.parametrize("path", READS)
async def test_with_a_preference_the_answer_comes_once_it_is_new_enough(
    client: ASGIConductor, directory: MemoryDirectory, path: str
) -> None:
    headers = {"Consistency-Token": token(LOG_ID, 1, 42), "Prefer": "respond-async, wait=20"}
    reading = asyncio.create_task(client.simulate_get(path, headers=headers))
    while directory.asked < 2:
        await asyncio.wait([reading], timeout=0.001)
        assert not reading.done()
    directory.positions[1] = 43

    answer = await reading

    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=20"


async def test_the_wait_ends(client: ASGIConductor, directory: MemoryDirectory) -> None:
    headers = {"Consistency-Token": token(LOG_ID, 1, 42), "Prefer": "wait=1"}
    begun = perf_counter()

    answer = await client.simulate_get(READS[0], headers=headers)

    assert (answer.status_code, answer.json["type"]) == (503, "urn:user-directory:problem:not-yet-visible")
    assert answer.headers["preference-applied"] == "wait=1"
    assert 1 <= perf_counter() - begun < 5
    assert directory.asked > 2


async def test_the_wait_is_capped(impatient_client: ASGIConductor) -> None:
    headers = {"Consistency-Token": token(LOG_ID, 1, 42), "Prefer": "wait=100"}

    answer = await impatient_client.simulate_get(READS[0], headers=headers)

    assert answer.status_code == 503
    assert answer.headers["preference-applied"] == "wait=0"


async def test_no_more_wait_at_once_than_the_process_takes_on(directory: MemoryDirectory) -> None:
    settings = QuerySettings(auth="off", max_waiting_reads=2, access_log=False)
    headers = {"Consistency-Token": token(LOG_ID, 1, 42), "Prefer": "wait=20"}
    async with ASGIConductor(create_app(settings, directory)) as client:
        waiting = [asyncio.create_task(client.simulate_get(READS[0], headers=headers)) for _ in range(2)]
        while directory.asked < 4:
            await asyncio.wait(waiting, timeout=0.001)

        refused = await asyncio.gather(*(client.simulate_get(READS[0], headers=headers) for _ in range(20)))

        assert {(answer.status_code, answer.headers["preference-applied"]) for answer in refused} == {(503, "wait=0")}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        directory.positions[1] = 43
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 200]
        assert (await client.simulate_get(READS[0], headers=headers)).headers["preference-applied"] == "wait=20"


async def test_no_wait_is_longer_than_the_time_to_drain(directory: MemoryDirectory) -> None:
    settings = QuerySettings(auth="off", max_wait_seconds=30, drain_seconds=2, access_log=False)
    async with ASGIConductor(create_app(settings, directory)) as client:
        headers = {"Consistency-Token": token(LOG_ID, 1, 41), "Prefer": "wait=100"}
        answer = await client.simulate_get(READS[0], headers=headers)

    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=2")


async def test_a_failure_ends_the_wait(client: ASGIConductor, directory: MemoryDirectory) -> None:
    headers = {"Consistency-Token": token(LOG_ID, 1, 42), "Prefer": "wait=20"}
    reading = asyncio.create_task(client.simulate_get(READS[0], headers=headers))
    while directory.asked < 2:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reading), 0.001)
    directory.unavailable = "down"

    answer = await reading

    assert (answer.status_code, answer.json["type"]) == (503, "urn:user-directory:problem:service-unavailable")


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize(
    "seen",
    [
        "",
        "x",
        LOG_ID,
        f"{LOG_ID}.1",
        f"{LOG_ID}.1-",
        f"{LOG_ID}.1-x",
        f"{LOG_ID}.1-1,",
        token(LOG_ID.replace("1", "2"), 1, 1),
        f"{token(LOG_ID, 1, 1)},{token(LOG_ID.replace('1', '2'), 1, 1)}",
        token(LOG_ID, 3, 0),
        token(LOG_ID, 1, 10**19),
        "é",
    ],
)
async def test_what_is_no_token_of_this_log_is_a_bad_request(client: ASGIConductor, path: str, seen: str) -> None:
    answer = await client.simulate_get(path, headers={"Consistency-Token": seen, "Prefer": "wait=20"})

    assert (answer.status_code, answer.json["type"]) == (400, "urn:user-directory:problem:invalid-consistency-token")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=5", 5),
        ('WAIT = "5"', 5),
        ("return=minimal, wait=5; x=y", 5),
        ('x="a, wait=3", wait=5', 5),
        ("wait=5, wait=6", 5),
        ("wait=0", 0),
        ("wait", None),
        ("wait=", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=²", None),
        ("wait=99999999999", None),
        ("await=5", None),
        ("", None),
    ],
)
def test_a_preference_is_understood_or_ignored(header: str, seconds: int | None) -> None:
    assert preferred_wait(header) == seconds
