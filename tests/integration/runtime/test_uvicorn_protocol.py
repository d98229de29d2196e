"""Responses through `OneWriteProtocol`, over real sockets and over a transport that only records."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import Mock

import pytest
import uvicorn
from uvicorn.server import ServerState

from runtime.uvicorn_protocol import DRAIN_HOOKS, OneWriteProtocol

Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

GET = b"GET /%d HTTP/1.1\r\nHost: test\r\n\r\n"


async def respond(send: Send, *chunks: bytes, length: int | None = None) -> None:
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for chunk in chunks[:-1]:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": chunks[-1]})


async def echo_path(scope: Any, _receive: Any, send: Send) -> None:
    await asyncio.sleep(0)
    body = scope["path"].encode()
    await respond(send, body, length=len(body))


def config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app, http=OneWriteProtocol, ws="none", lifespan="off", server_header=False, log_config=None, access_log=False
    )


class Wire:
    """A protocol on a transport that records."""

    def __init__(self, app: App) -> None:
        self.transport = Mock(spec=asyncio.Transport)
        self.transport.is_closing.return_value = False
        self.transport.get_extra_info.return_value = None
        self.protocol = OneWriteProtocol(config(app), ServerState(), {})
        self.protocol.connection_made(self.transport)

    async def receive(self, data: bytes) -> list[bytes]:
        """Feed a request and give what is written until nothing goes on."""
        self.protocol.data_received(data)
        await asyncio.gather(*self.protocol.tasks)
        await asyncio.sleep(0)
        return [call.args[0] for call in self.transport.write.call_args_list]


@asynccontextmanager
async def connected(app: App) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    loop = asyncio.get_running_loop()
    settings, state = config(app), ServerState()
    settings.load()
    server = await loop.create_server(lambda: OneWriteProtocol(settings, state, {}), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()


async def test_head_and_body_leave_in_one_write() -> None:
    writes = await Wire(echo_path).receive(GET % 7)
    assert len(writes) == 1
    assert writes[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert writes[0].endswith(b"\r\n\r\n/7")


async def test_a_response_that_closes_the_connection_is_sent_first() -> None:
    wire = Wire(echo_path)
    await wire.receive(b"GET /7 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
    assert [call[0] for call in wire.transport.method_calls if call[0] in ("write", "close")] == ["write", "close"]


async def test_a_connection_that_is_gone_gets_nothing() -> None:
    wire = Wire(echo_path)
    wire.protocol.data_received(GET % 7)
    wire.transport.is_closing.return_value = True
    await asyncio.gather(*wire.protocol.tasks)
    await asyncio.sleep(0)
    wire.transport.write.assert_not_called()


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with connected(echo_path) as (reader, writer):
        writer.write(b"".join(GET % number for number in range(100)))
        for number in range(100):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert await reader.readexactly(len(b"/%d" % number)) == b"/%d" % number


async def test_a_streamed_response_leaves_piece_by_piece() -> None:
    go_on = asyncio.Event()

    async def stream(_scope: Any, _receive: Any, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"last"})

    async with connected(stream) as (reader, writer):
        writer.write(GET % 1)
        assert b"200 OK" in await reader.readuntil(b"first\r\n")
        go_on.set()
        assert await reader.readuntil(b"0\r\n\r\n") == b"4\r\nlast\r\n0\r\n\r\n"


async def test_a_client_that_waits_to_be_told_to_send_its_body_is_told() -> None:
    async def upper(_scope: Any, receive: Any, send: Send) -> None:
        body = (await receive())["body"]
        await respond(send, body.upper(), length=len(body))

    async with connected(upper) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(4) == b"BODY"


async def test_a_slow_reader_holds_a_large_response_back() -> None:
    chunk, chunks = b"x" * 100_000, 400
    sent = 0

    async def stream(_scope: Any, _receive: Any, send: Send) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(chunks):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            sent += 1
        await send({"type": "http.response.body", "body": b""})

    async with connected(stream) as (reader, writer):
        writer.write(GET % 1)
        await reader.readuntil(b"\r\n\r\n")
        assert sent < chunks
        received = 0
        while sent < chunks or not reader.at_eof():
            data = await reader.read(1_000_000)
            received += len(data)
            if data.endswith(b"\r\n0\r\n\r\n"):
                break
        assert received > chunks * len(chunk)


async def test_a_body_far_larger_than_any_buffer_arrives_whole() -> None:
    body = bytes(range(256)) * 40_000

    async def large(_scope: Any, _receive: Any, send: Send) -> None:
        await respond(send, body, length=len(body))

    async with connected(large) as (reader, writer):
        writer.write(GET % 1)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(body)) == body


async def endless(_scope: Any, _receive: Any, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await asyncio.sleep(0)


def paused_wire(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Wire:
    """Return a wire whose client takes no more of what it asked for."""
    monkeypatch.setattr(OneWriteProtocol, "stalled_seconds", seconds)
    wire = Wire(endless)
    wire.protocol.data_received(GET % 1)
    wire.protocol.pause_writing()
    return wire


async def aborted(wire: Wire) -> None:
    async with asyncio.timeout(10):
        while not wire.transport.abort.called:  # noqa: ASYNC110
            await asyncio.sleep(0)
    wire.protocol.connection_lost(None)
    for task in wire.protocol.tasks:
        task.cancel()


async def test_a_client_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    await aborted(paused_wire(monkeypatch, 0.01))


async def test_a_client_that_takes_something_in_time_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    wire, other = paused_wire(monkeypatch, 0.01), paused_wire(monkeypatch, 0.02)
    wire.protocol.resume_writing()

    await aborted(other)

    wire.transport.abort.assert_not_called()
    wire.protocol.connection_lost(None)
    for task in wire.protocol.tasks:
        task.cancel()


async def test_a_client_that_has_gone_is_not_cut_off_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    wire, other = paused_wire(monkeypatch, 0.01), paused_wire(monkeypatch, 0.02)
    wire.protocol.connection_lost(None)
    for task in wire.protocol.tasks:
        task.cancel()

    await aborted(other)

    wire.transport.abort.assert_not_called()


async def test_when_the_server_stops_a_stalled_client_is_cut_off_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OneWriteProtocol, "stalled_seconds_when_stopping", 0.01)
    wire = paused_wire(monkeypatch, 1000)

    wire.protocol.shutdown()

    await aborted(wire)


async def test_a_real_client_that_stops_reading_loses_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OneWriteProtocol, "stalled_seconds", 0.05)
    gone = asyncio.Event()

    async def stream(scope: Any, receive: Any, send: Send) -> None:
        sending = asyncio.create_task(endless(scope, receive, send))
        while (await receive())["type"] != "http.disconnect":
            pass
        sending.cancel()
        gone.set()

    async with connected(stream) as (_, writer):
        writer.write(GET % 1)
        async with asyncio.timeout(10):
            await gone.wait()


async def test_the_application_is_told_when_the_server_stops() -> None:
    told = []
    protocol = OneWriteProtocol(config(echo_path), ServerState(), {DRAIN_HOOKS: [lambda: told.append("stopping")]})
    protocol.connection_made(Mock(spec=asyncio.Transport))

    protocol.shutdown()

    assert told == ["stopping"]
