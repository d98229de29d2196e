"""Direct answers over real sockets, beside the ordinary path for the same route."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import falcon.asgi
import pytest
import uvicorn
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisGone
from uvicorn.lifespan.on import LifespanOn
from uvicorn.server import ServerState

from runtime import context
from runtime.direct_answers import DirectAnswers, Document, Question
from runtime.direct_protocol import DirectProtocol
from runtime.guards import NO_GUARDS
from runtime.http import create_falcon_app
from runtime.observation import Observation

HEAD = b"Host: localhost\r\n\r\n"
SECONDS = 5


class Things:
    """A route whose replies come when the test wants."""

    template = "/things/{thing_id}"
    target = "[a-z]+"

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[Any]] = []
        self.fault: Exception | None = None
        self.at_once = True

    def ask(self, target: str) -> Question | None:
        if self.fault is not None:
            raise self.fault
        reply = asyncio.get_running_loop().create_future()
        self.asked.append(reply)
        if self.at_once:
            reply.set_result("here")
        return Question(reply, target)

    def answer(self, question: Question) -> Document | None:
        if question.reply.result() != "here":
            return None
        return Document(b"by: direct\r\n", question.asked_of.encode())


class Ordinary:
    async def on_get(self, _req: falcon.asgi.Request, resp: falcon.asgi.Response, thing_id: str) -> None:
        resp.set_header("by", "ordinary")
        resp.data = thing_id.encode()


class Connection:
    """A client's, to a server of its own."""

    def __init__(self, things: Things, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.things = things
        self.reader = reader
        self.writer = writer
        self.protocols: list[DirectProtocol] = []
        self.state = ServerState()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(SECONDS):
            status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(status.split()[1]), headers, body

    async def ask(self, request: bytes) -> tuple[str | None, bytes]:
        """Return who answered 200, and the body."""
        self.writer.write(request)
        status, headers, body = await self.answer()
        assert status == 200
        return headers.get("by"), body

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(SECONDS):
            while len(self.things.asked) < times:  # noqa: ASYNC110 - polls what the server does
                await asyncio.sleep(0.001)


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[Connection]:
    things = Things()
    app = create_falcon_app({}, name="things", checks={}, direct_route=things)
    app.add_route(Things.template, Ordinary())
    config = uvicorn.Config(app, http=DirectProtocol, ws="none", log_config=None, **options)
    config.load()
    lifespan = LifespanOn(config)
    await lifespan.startup()
    made: list[DirectProtocol] = []
    state = ServerState()

    def protocol() -> DirectProtocol:
        made.append(DirectProtocol(config, state, lifespan.state))
        return made[-1]

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        client = Connection(things, *await asyncio.open_connection(*server.sockets[0].getsockname()))
        client.protocols, client.state = made, state
        yield client
        client.writer.close()
    await lifespan.shutdown()


def get(thing: str, head: bytes = HEAD) -> bytes:
    return f"GET /things/{thing} HTTP/1.1\r\n".encode() + head


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"user_directory_{name}", labels) or 0.0


def counted() -> float:
    labels = {"route": Things.template, "method": "GET", "status": "200"}
    return metric("http_request_duration_seconds_count", **labels)


async def test_a_plain_request_is_answered_directly_and_the_connection_goes_on() -> None:
    async with connected() as client:
        before = counted()
        assert await client.ask(get("one")) == ("direct", b"one")
        assert await client.ask(get("two")) == ("direct", b"two")
        assert counted() == before + 2
        assert metric("http_requests_in_flight") == 0


async def test_a_client_has_its_request_id_back_or_gets_one() -> None:
    async with connected() as client:
        ids = []
        for head in (HEAD, HEAD, b"X-Request-Id: mine\r\n" + HEAD, *[b"X-Request-Id: not sane\r\n" + HEAD] * 2):
            client.writer.write(get("one", head))
            _, headers, _ = await client.answer()
            assert headers["by"] == "direct"
            ids.append(headers["x-request-id"])
        assert ids[2] == "mine"
        assert "not sane" not in ids
        assert len(set(ids)) == 5


@pytest.mark.parametrize(
    "request_",
    [
        get("one", b"If-None-Match: *\r\n" + HEAD),
        get("one", b"Content-Length: 2\r\n" + HEAD) + b"{}",
        get("one?x=1"),
        b"GET http://localhost/things/one HTTP/1.1\r\n" + HEAD,
    ],
)
async def test_any_other_request_goes_the_ordinary_way(request_: bytes) -> None:
    async with connected() as client:
        assert await client.ask(request_) == ("ordinary", b"one")
        assert client.things.asked == []
        assert await client.ask(get("two")) == ("direct", b"two")


async def test_a_request_in_pieces_goes_the_ordinary_way() -> None:
    async with connected() as client:
        whole = get("one")
        client.writer.write(whole[:10])
        async with asyncio.timeout(SECONDS):
            while not (client.protocols and client.protocols[0]._in_message):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert await client.ask(whole[10:]) == ("ordinary", b"one")


@pytest.mark.parametrize("reply", ["elsewhere", RedisGone()])
async def test_what_the_route_does_not_answer_is_answered_and_counted_once_by_the_ordinary_path(reply: object) -> None:
    async with connected() as client:
        client.things.at_once = False
        before = counted()
        client.writer.write(get("one"))
        await client.until_asked(1)
        assert metric("http_requests_in_flight") == 1
        future = client.things.asked[0]
        if isinstance(reply, Exception):
            future.set_exception(reply)
        else:
            future.set_result(reply)
        status, headers, body = await client.answer()
        assert (status, headers["by"], body) == (200, "ordinary", b"one")
        assert counted() == before + 1
        assert metric("http_requests_in_flight") == 0


async def test_a_route_that_cannot_ask_leaves_it_to_the_ordinary_path() -> None:
    async with connected() as client:
        client.things.fault = RedisGone()
        assert await client.ask(get("one")) == ("ordinary", b"one")
        assert metric("http_requests_in_flight") == 0


async def test_what_comes_while_an_answer_is_under_way_is_answered_behind_it() -> None:
    async with connected() as client:
        client.things.at_once = False
        client.writer.write(get("one"))
        await client.until_asked(1)
        client.writer.write(get("two") + get("three?x=1"))
        async with asyncio.timeout(SECONDS):
            while not client.protocols[0]._held:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        client.things.asked[0].set_result("here")
        answers = [await client.answer() for _ in range(3)]
        assert [(headers["by"], body) for _, headers, body in answers] == [
            ("direct", b"one"),
            ("ordinary", b"two"),
            ("ordinary", b"three"),
        ]


async def test_a_plain_request_behind_one_that_is_under_way_is_direct_too() -> None:
    async with connected() as client:
        client.things.at_once = False
        client.writer.write(get("one"))
        await client.until_asked(1)
        client.writer.write(get("two"))
        async with asyncio.timeout(SECONDS):
            while not client.protocols[0]._held:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert len(client.things.asked) == 1
        client.things.asked[0].set_result("here")
        await client.until_asked(2)
        client.things.asked[1].set_result("here")
        assert [(await client.answer())[2] for _ in range(2)] == [b"one", b"two"]


async def test_a_client_who_leaves_is_forgotten() -> None:
    async with connected() as client:
        client.things.at_once = False
        client.writer.write(get("one"))
        await client.until_asked(1)
        client.writer.close()
        async with asyncio.timeout(SECONDS):
            while client.state.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        client.things.asked[0].set_result("here")
        async with asyncio.timeout(SECONDS):
            while metric("http_requests_in_flight"):  # noqa: ASYNC110
                await asyncio.sleep(0.001)


async def test_a_server_that_stops_gives_the_answer_under_way_and_says_goodbye() -> None:
    async with connected() as client:
        client.things.at_once = False
        client.writer.write(get("one"))
        await client.until_asked(1)
        client.state.default_headers = [(b"connection", b"close")]
        client.protocols[0].shutdown()
        client.things.asked[0].set_result("here")
        status, headers, body = await client.answer()
        assert (status, body, headers["connection"]) == (200, b"one", "close")
        assert await client.reader.read() == b""


async def test_an_idle_connection_is_closed_but_not_one_in_use() -> None:
    async with connected(timeout_keep_alive=1) as client:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() < began + 1.5:
            assert await client.ask(get("one")) == ("direct", b"one")
            await asyncio.sleep(0.05)
        async with asyncio.timeout(SECONDS):
            assert await client.reader.read() == b""


async def test_a_fault_of_the_route_closes_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with connected() as client:
        client.things.answer = None  # type: ignore[assignment, method-assign]
        client.writer.write(get("one"))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.answer()
        assert "TypeError" in caplog.text
        assert metric("http_requests_in_flight") == 0


async def test_a_direct_answer_leaves_the_line_of_the_access_log() -> None:
    written: list[tuple[str, dict[str, Any], str, str]] = []

    def write(message: str, fields: Mapping[str, Any]) -> None:
        written.append((message, dict(fields), context.request_id.get(), context.traceparent.get()))

    things, observation = Things(), Observation({}, write)
    direct = DirectAnswers(things, NO_GUARDS, observation)
    trace = f"00-{'1' * 32}-{'2' * 16}-01"
    begun = direct.begin(get("one", f"Traceparent: {trace}\r\nX-Request-Id: r-1\r\n".encode() + HEAD), None)
    assert begun is not None
    assert direct.finish(begun, []) is not None
    ((message, fields, request_id, traceparent),) = written
    assert fields.pop("duration_ms") >= 0
    assert (message, fields) == ("request", {"method": "GET", "route": Things.template, "status": 200})
    assert request_id == "r-1"
    assert traceparent.startswith(trace[:36])
    assert traceparent[36:52] != trace[36:52]
