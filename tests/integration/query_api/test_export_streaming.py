"""The export over real sockets: as the client takes it, no further than it goes, and broken off where it fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest
import uvicorn
from uvicorn.server import ServerState

from query_api.app import create_app
from query_api.directory import ListQuery, Start, Unavailable, UserPage
from query_api.settings import QuerySettings
from read_models.consistency import ConsistencyToken
from runtime.uvicorn_protocol import OneWriteProtocol
from tests.unit.query_api.memory_directory import MemoryDirectory, make_user, place

REQUEST = b"GET /users/export HTTP/1.1\r\nHost: test\r\n\r\n"
USER = make_user(1, attributes={"text": "x" * 10_000})
LAST_CHUNK = b"\r\n0\r\n\r\n"
SECONDS = 20


class EndlessDirectory(MemoryDirectory):
    """Has `pages` pages; counts those that were read, and fails at the last one if told to."""

    def __init__(self, pages: int, fails: bool = False) -> None:
        super().__init__()
        self.pages = pages
        self.fails = fails
        self.read = 0

    async def list_users(self, query: ListQuery, seen: ConsistencyToken | None) -> UserPage:
        self.read += 1
        await asyncio.sleep(0)
        if self.read == self.pages and self.fails:
            raise Unavailable("Redis does not answer.")
        following = None if self.read == self.pages else Start(place(USER))
        return UserPage([USER.to_json()] * 100, None, following, self._token())


@asynccontextmanager
async def exporting(directory: MemoryDirectory) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    app = create_app(QuerySettings(auth="off", access_log=False), directory)
    config = uvicorn.Config(app, http=OneWriteProtocol, ws="none", lifespan="off", log_config=None, access_log=False)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: OneWriteProtocol(config, state, {}), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(REQUEST)
        yield reader, writer
        writer.close()
        if state.tasks:
            await asyncio.wait_for(asyncio.gather(*state.tasks), SECONDS)


async def until_it_stands_still(directory: EndlessDirectory) -> int:
    """Wait until no page was read for a while; return how many were."""
    deadline, read, since = monotonic() + SECONDS, -1, monotonic()
    while monotonic() < deadline:
        if directory.read != read:
            read, since = directory.read, monotonic()
        elif read > 0 and monotonic() - since > 0.5:
            return read
        await asyncio.sleep(0.01)
    raise AssertionError("it never stands still")


async def test_every_page_arrives_and_the_end_is_marked() -> None:
    directory = EndlessDirectory(50)
    async with exporting(directory) as (reader, _):
        answer = b""
        while not answer.endswith(LAST_CHUNK):
            answer += await asyncio.wait_for(reader.read(2**20), SECONDS)

    assert answer.count(USER.to_json() + b"\n") == 50 * 100


async def test_a_slow_client_is_waited_for() -> None:
    directory = EndlessDirectory(10**9)
    async with exporting(directory) as (reader, _):
        read = await until_it_stands_still(directory)

        # What the sockets on both sides hold, at a megabyte a page, and no more.
        assert read < 20
        for _ in range(100):
            await asyncio.wait_for(reader.readexactly(1_000_000), SECONDS)
        assert directory.read > read + 50


async def test_when_the_client_has_gone_no_more_is_read() -> None:
    directory = EndlessDirectory(10**9)
    async with exporting(directory) as (reader, _):
        await reader.readexactly(1_000_000)

    # Leaving the block waits until the request has ended, which it would not do by itself.
    assert directory.read < 1000


async def test_a_failure_breaks_the_answer_off_before_its_end(caplog: pytest.LogCaptureFixture) -> None:
    directory = EndlessDirectory(20, fails=True)
    async with exporting(directory) as (reader, _):
        answer = await asyncio.wait_for(reader.read(-1), SECONDS)

    assert answer.count(USER.to_json() + b"\n") == 19 * 100
    assert not answer.endswith(LAST_CHUNK)
    assert "Unavailable" in caplog.text
