"""The load of two kinds keeps its proportion, and its number of requests under way."""

import asyncio
from collections import Counter

from benchmarks.load import http_request
from benchmarks.mixed_load import run_mixed_load


async def test_one_request_of_the_second_kind_comes_on_so_many_of_the_first() -> None:
    asked: Counter[str] = Counter()
    under_way, most = 0, 0

    def serving(kind: str, status: int) -> "asyncio.Future[asyncio.Server]":
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal under_way, most
            while await reader.readuntil(b"\r\n\r\n"):
                under_way += 1
                most = max(most, under_way)
                asked[kind] += 1
                await asyncio.sleep(0.001)
                under_way -= 1
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok" % status)

        return asyncio.ensure_future(asyncio.start_server(serve, "127.0.0.1", 0))

    reads, writes = await serving("read", 200), await serving("write", 201)
    request = http_request("GET", "/")
    found = await run_mixed_load(
        [server.sockets[0].getsockname()[1] for server in (reads, writes)],
        [lambda: request, lambda: request],
        every=5,
        clients=8,
        seconds=0.5,
    )
    reads.close()
    writes.close()
    assert abs(asked["read"] - 4 * asked["write"]) <= 5 * 8
    assert found.requests == sum(found.statuses.values())
    assert set(found.statuses) == {200, 201}
    assert 3 < found.statuses[200] / found.statuses[201] < 5
    assert most == 8
