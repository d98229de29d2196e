"""Thousands of clients at once, while nothing gets a verdict: those too many hear so at once, and nothing piles up."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from devstack.kafka_server import KafkaServer
from devstack.redis_server import RedisServer
from tests.e2e.people import person
from tests.e2e.processes import eventually, metric
from tests.stack import Stack, running_stack

MOST_WRITES = 100
CLIENTS = 3000
BUDGET = 30
# A body is 100 bytes; that a connection costs some 30 KB for its buffers is the price of being answered at all.
MOST_BYTES = 150 * 1024 * 1024

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def stack(kafka: KafkaServer, redis: RedisServer, tmp_path: Path) -> Iterator[Stack]:
    settings = {
        "MAX_WRITES_IN_FLIGHT": str(MOST_WRITES),
        "WRITE_BUDGET_SECONDS": str(BUDGET),
        "EVENT_DEADLINE_SECONDS": "60",
    }
    with running_stack(kafka.bootstrap, redis.url, tmp_path, **settings) as running:
        yield running


@dataclass(frozen=True)
class Answer:
    status: int
    headers: str
    body: bytes
    seconds: float


async def post(url: str, body: bytes) -> Answer:
    """Post one registration over a connection of its own."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        begun = time.perf_counter()
        head = (
            f"POST /users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
        length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
        answered = await reader.readexactly(length)
        return Answer(int(lines[0].split(" ")[1]), "\n".join(lines), answered, time.perf_counter() - begun)
    finally:
        writer.close()


async def post_many(url: str, count: int) -> list[Answer]:
    bodies = [json.dumps(person()).encode() for _ in range(count)]
    return await asyncio.gather(*(post(url, body) for body in bodies))


async def overload(stack: Stack) -> tuple[list[Answer], list[Answer]]:
    """Give the process all the writes that it takes on, and then thousands more."""
    taken_on = asyncio.create_task(post_many(stack.command_url, MOST_WRITES))
    await asyncio.to_thread(
        eventually, lambda: metric(stack.command_url, "writes_waiting") == MOST_WRITES, "all writes wait"
    )
    return await post_many(stack.command_url, CLIENTS), await taken_on


def memory_of(pid: int) -> int:
    """Return the bytes that a process and its children have in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(memory_of(int(child)) for child in children)


def test_more_writes_than_a_process_takes_on_are_refused_at_once_and_leave_nothing_behind(stack: Stack) -> None:
    pid = stack.command_api.pid
    assert pid is not None
    before = memory_of(pid)
    stack.projector.pause()

    refused, taken_on = asyncio.run(overload(stack))

    waits = sorted(answer.seconds for answer in refused)
    grown = memory_of(pid) - before
    print(f"refused within {waits[len(waits) // 2]:.2f} s, at worst {waits[-1]:.2f} s; {grown >> 20} MB more")
    # In the log, and nobody judges it now.
    assert Counter(answer.status for answer in taken_on) == {202: MOST_WRITES}
    assert Counter(answer.status for answer in refused) == {503: CLIENTS}
    for answer in refused:
        assert "\nretry-after: " in answer.headers
        assert json.loads(answer.body)["type"].endswith("service-unavailable")
    # They do not stand in a queue behind those that wait for 30 s.
    assert waits[-1] < BUDGET / 2
    assert grown < MOST_BYTES
    assert metric(stack.command_url, "writes_waiting") == 0

    stack.projector.resume()
    with httpx.Client(base_url=stack.command_url, timeout=2 * BUDGET, trust_env=False) as command:
        eventually(lambda: command.post("/users", json=person()).status_code == 201, "writes are taken again")
