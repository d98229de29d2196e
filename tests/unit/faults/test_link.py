"""A link passes on, and does not, as it is told."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.driver.link import Link

_SOON_SECONDS = 5.0


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data.upper())
    writer.close()


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        made = Link(server.sockets[0].getsockname())
        await made.start()
        yield made
        await made.close()


async def connect(link: Link) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", link.port)


async def said(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], text: bytes) -> bytes:
    reader, writer = connection
    writer.write(text)
    return await asyncio.wait_for(reader.read(100), _SOON_SECONDS)


async def test_everything_is_passed_on(link: Link) -> None:
    assert await said(await connect(link), b"x") == b"x"


async def test_a_cut_resets_connections_until_it_is_mended(link: Link) -> None:
    connection = await connect(link)
    assert await said(connection, b"x") == b"x"
    link.cut()
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        assert await said(connection, b"y") == b"z"
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        assert await said(await connect(link), b"y") == b"z"
    link.mend()
    assert await said(await connect(link), b"x") == b"x"


async def test_a_freeze_holds_back_and_loses_nothing(link: Link) -> None:
    reader, writer = await connect(link)
    link.freeze()
    writer.write(b"x")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(100), 0.1)
    link.mend()
    assert await asyncio.wait_for(reader.read(100), _SOON_SECONDS) == b"x"


async def test_a_delay_makes_late(link: Link) -> None:
    connection = await connect(link)
    link.delay = 0.1
    began = asyncio.get_running_loop().time()
    assert await said(connection, b"x") == b"x"
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_another_target_gets_the_new_connections(link: Link) -> None:
    connection = await connect(link)
    assert await said(connection, b"x") == b"x"
    async with await asyncio.start_server(shout, "127.0.0.1", 0) as other:
        link.retarget(other.sockets[0].getsockname())
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            assert await said(connection, b"y") == b"z"
        assert await said(await connect(link), b"x") == b"X"
