"""Requests whose head is too large, too slow or no HTTP, over real sockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from runtime.guarded_protocol import MOST_HEAD_BYTES, MOST_HEADERS, MOST_URL_BYTES, GuardedProtocol

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Impatient(GuardedProtocol):
    head_seconds = 0.2


async def app(scope: Any, receive: Any, send: Send) -> None:
    """Answer with the path; read the body of a POST first, and that of a PUT never."""
    more = scope["method"] == "POST"
    while more:
        more = (await receive()).get("more_body", False)
    body = scope["path"].encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def connected(
    protocol: type[GuardedProtocol] = GuardedProtocol,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    settings, state = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None), ServerState()
    settings.load()
    server = await asyncio.get_running_loop().create_server(lambda: protocol(settings, state, {}), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()


def problem(answer: bytes) -> tuple[int, str]:
    """Return status and kind of the last answer, which has to end the connection."""
    head, _, body = answer[answer.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head.lower()
    document = json.loads(body)
    assert document["status"] == int(head.split(b" ")[1])
    return document["status"], document["type"].rpartition(":")[2]


async def send(*pieces: bytes, protocol: type[GuardedProtocol] = GuardedProtocol, pause: float = 0) -> bytes:
    """Send pieces, and return all that is answered until the server closes."""
    answer = bytearray()

    async def take(reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):  # reset, as we went on sending
            while piece := await reader.read(65_536):
                answer.extend(piece)

    async with connected(protocol) as (reader, writer), asyncio.timeout(10):
        taking = asyncio.create_task(take(reader))
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                if taking.done():
                    break
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        await taking
    return bytes(answer)


START = b"GET /x HTTP/1.1\r\nHost: test\r\n"
HEAD_REFUSED = {
    "one large header": (START + b"X: " + b"a" * MOST_HEAD_BYTES + b"\r\n\r\n", 431, "headers-too-large"),
    "many headers": (START + b"X: a\r\n" * MOST_HEADERS + b"\r\n", 431, "headers-too-large"),
    "many large headers": (START + (b"X: " + b"a" * 999 + b"\r\n") * 33 + b"\r\n", 431, "headers-too-large"),
    "a header without an end": (START + b"X: " + b"a" * 400_000, 431, "headers-too-large"),
    "a name without an end": (START + b"x" * 400_000, 431, "headers-too-large"),
    "a long URL": (b"GET /" + b"a" * MOST_URL_BYTES + b" HTTP/1.1\r\nHost: test\r\n\r\n", 414, "uri-too-long"),
    "a long query": (b"GET /?" + b"a" * MOST_URL_BYTES + b" HTTP/1.1\r\nHost: test\r\n\r\n", 414, "uri-too-long"),
    "a query that is not ASCII": (b"GET /?q=\xff HTTP/1.1\r\nHost: test\r\n\r\n", 400, "malformed-request"),
    "a path that is not ASCII": (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: test\r\n\r\n", 400, "malformed-request"),
    "HTTP before it had versions": (b"GET /\r\n\r\n", 400, "malformed-request"),
    "HTTP of the future": (b"GET / HTTP/3.0\r\n\r\n", 400, "malformed-request"),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "malformed-request"),
    "two lengths": (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "malformed-request"),
    "length and chunks": (
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "malformed-request",
    ),
    "a negative length": (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "malformed-request"),
    "an unheard-of method": (b"HACK / HTTP/1.1\r\nHost: test\r\n\r\n", 400, "malformed-request"),
    "a folded header": (START + b"X: a\r\n b\r\n\r\n", 400, "malformed-request"),
    "a bare line feed in a value": (START + b"X: a\rb\r\n\r\n", 400, "malformed-request"),
}


@pytest.mark.parametrize("name", HEAD_REFUSED)
async def test_a_head_that_is_out_of_order_is_refused(name: str) -> None:
    sent, status, kind = HEAD_REFUSED[name]
    assert problem(await send(sent)) == (status, kind)
    in_pieces = [sent[at : at + 4000] for at in range(0, len(sent), 4000)]
    assert problem(await send(*in_pieces)) == (status, kind)


async def test_what_is_just_within_the_limits_is_answered() -> None:
    fills = MOST_HEAD_BYTES - len(b"/xHosttestConnectioncloseX")
    for request in (
        START + b"Connection: close\r\nX: " + b"a" * fills + b"\r\n\r\n",
        START + b"Connection: close\r\n" + b"X: a\r\n" * (MOST_HEADERS - 2) + b"\r\n",
        b"GET /" + b"a" * (MOST_URL_BYTES - 1) + b" HTTP/1.1\r\nConnection: close\r\n\r\n",
    ):
        assert (await send(request)).startswith(b"HTTP/1.1 200 OK")


async def test_small_requests_that_arrive_together_are_not_one_large_one() -> None:
    requests = [b"GET /%d HTTP/1.1\r\nHost: test\r\n\r\n" % number for number in range(3000)]
    requests.append(b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n")
    answers = await send(b"".join(requests))
    assert answers.count(b"HTTP/1.1 200 OK") == 3001
    assert answers.endswith(b"/last")


@pytest.mark.parametrize("rest", [b"1;ext=%s\r\na\r\n", b"0\r\nTrailer: %s\r\n\r\n", b"0\r\n%s: x\r\n\r\n"])
async def test_what_is_sent_beside_the_body_is_limited_too(rest: bytes) -> None:
    start = b"POST /x HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = [start, *(rest % (b"a" * 2_000_000)).split(b"aaaaaa")]
    joined = b"aaaaaa".join(pieces[1:])
    assert problem(await send(start, *(joined[at : at + 16_000] for at in range(0, len(joined), 16_000)))) == (
        431,
        "headers-too-large",
    )


async def test_a_large_body_is_no_large_head() -> None:
    start = b"POST /x HTTP/1.1\r\nHost: test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [b"ffff\r\n" + b"a" * 0xFFFF + b"\r\n"] * 20
    assert (await send(start, *chunks, b"0\r\nTrailer: x\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")


async def test_who_sends_nothing_is_let_go() -> None:
    assert await send(protocol=Impatient) == b""


@pytest.mark.parametrize("begun", [b"GET /", b"GET / HTTP/1.1\r\n", START + b"X-Slow: "])
async def test_who_sends_a_head_byte_by_byte_is_let_go(begun: bytes) -> None:
    slow = [begun, *([b"a"] * 40)]
    assert problem(await send(*slow, protocol=Impatient, pause=0.02)) == (408, "request-timeout")


async def test_who_is_slow_with_the_second_request_is_let_go_too() -> None:
    pieces = [START + b"\r\n", b"GET /second HTTP/1.1\r\n", *([b"X: a\r\n"] * 40)]
    answer = await send(*pieces, protocol=Impatient, pause=0.02)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert problem(answer) == (408, "request-timeout")


async def test_who_was_answered_before_the_body_was_read_cannot_send_it_for_ever() -> None:
    start = b"PUT /x HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n"
    answer = await send(start, *([b"a"] * 60), protocol=Impatient, pause=0.02)
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_an_answer_that_takes_long_is_no_slow_request() -> None:
    async with connected(Impatient) as (reader, writer), asyncio.timeout(10):
        writer.write(b"POST /x HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\na")
        await asyncio.sleep(0.6)
        writer.write(b"b")
        assert (await reader.readuntil(b"\r\n")) == b"HTTP/1.1 200 OK\r\n"
        await asyncio.sleep(0.6)  # between two requests the keep-alive time counts
        writer.write(START + b"Connection: close\r\n\r\n")
        assert b"HTTP/1.1 200 OK" in await reader.read()
