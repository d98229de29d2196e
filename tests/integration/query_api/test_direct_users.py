"""Every read of a user, answered with direct answers and without: the answers have to be the same, byte for byte."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.lifespan.on import LifespanOn
from uvicorn.server import ServerState

from query_api.app import create_app
from query_api.direct_users import DirectUsers
from query_api.settings import QuerySettings
from runtime.direct_answers import Document, Question
from runtime.direct_protocol import DirectProtocol
from tests.contract.query_api.worlds import RedisWorld
from tests.security import apps
from tests.security.tokens import WRITE, Issuer, token
from tests.unit.query_api.memory_directory import make_user
from user_directory_events import Gone

pytestmark = pytest.mark.redis

USER = make_user(1)
SECONDS = 5
_VARIES = re.compile(rb"(?:(?<=x-request-id: )[0-9a-f]{8}-[0-9a-f-]{27}|(?<=r=)\d+)")


class Client:
    """One connection to a query API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, path: str, *headers: str, method: str = "GET") -> tuple[bytes, frozenset[bytes], bytes]:
        """Return the status line, the header lines and the body."""
        lines = "".join(f"{line}\r\n" for line in ("Host: localhost", *headers))
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
        async with asyncio.timeout(SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).strip()
            length = re.search(rb"content-length: (\d+)", head)
            body = await self.reader.readexactly(int(length[1]) if length and method != "HEAD" else 0)
        status, *rest = _VARIES.sub(b"*", head).split(b"\r\n")
        return status, frozenset(rest), re.sub(rb"(?<=:request:)[0-9a-f-]{36}", b"*", body)


@asynccontextmanager
async def served(world: RedisWorld, redis_url: str, *, direct: bool, **settings: Any) -> AsyncIterator[Client]:
    chosen = {"auth": "off", "redis_url": redis_url, "redis_key_prefix": world.keys.prefix, "access_log": False}
    app = create_app(QuerySettings(**{**chosen, **settings}))
    config = uvicorn.Config(app, http=DirectProtocol, ws="none", log_config=None)
    config.load()
    lifespan, state = LifespanOn(config), ServerState()
    await lifespan.startup()
    server = await asyncio.get_running_loop().create_server(
        lambda: DirectProtocol(config, state, lifespan.state if direct else {}), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield Client(reader, writer)
        writer.close()
    await lifespan.shutdown()


@pytest.fixture
def direct_answers(monkeypatch: pytest.MonkeyPatch) -> list[Document]:
    """Collect what was answered directly."""
    made: list[Document] = []
    answer = DirectUsers.answer

    def noting(self: DirectUsers, question: Question) -> Document | None:
        document = answer(self, question)
        made.extend([] if document is None else [document])
        return document

    monkeypatch.setattr(DirectUsers, "answer", noting)
    return made


ASKED: list[tuple[str, tuple[str, ...], int]] = [
    # path, headers, and how many of its two answers are direct where that is on
    (f"/users/{USER.id}", (), 2),
    (f"/users/{USER.id.upper()}", ("Accept: application/json", "User-Agent: x"), 2),
    (f"/users/{USER.id}", ("X-Request-ID: mine", "Accept: */*, text/html"), 2),
    (f"/users/{USER.id}", ("Accept: text/html",), 0),
    (f"/users/{USER.id}", ('If-None-Match: "1"',), 0),
    (f"/users/{USER.id}", ("Consistency-Token: no token",), 0),
    (f"/users/{USER.id}?version=7", (), 0),
    (f"/users/{make_user(2).id}", (), 0),
    (f"/users/{make_user(3).id}", (), 0),
    ("/users/no-uuid", (), 0),
]


@pytest.mark.parametrize(("path", "headers", "directly"), ASKED)
async def test_direct_answers_are_those_of_the_ordinary_path(
    world: RedisWorld,
    redis_url: str,
    direct_answers: list[Document],
    path: str,
    headers: tuple[str, ...],
    directly: int,
) -> None:
    await world.put(USER)
    await world.put(Gone(id=make_user(2).id, version=2, erased=False))
    async with (
        served(world, redis_url, direct=True) as with_direct,
        served(world, redis_url, direct=False) as without,
    ):
        # The first question of all learns which generation is live.
        await with_direct.ask("/readyz")
        for _ in range(2):
            assert await with_direct.ask(path, *headers) == await without.ask(path, *headers)
        assert await with_direct.ask(path, *headers, method="HEAD") == await without.ask(path, *headers, method="HEAD")
    assert len(direct_answers) == directly


async def test_a_change_is_seen_at_once(world: RedisWorld, redis_url: str, direct_answers: list[Document]) -> None:
    async with served(world, redis_url, direct=True) as client:
        for version in (1, 2, 3):
            await world.put(USER.model_copy(update={"version": version, "display_name": f"Ada {version}"}))
            _, lines, body = await client.ask(f"/users/{USER.id}")
            assert f"Ada {version}".encode() in body
            assert f'etag: "{version}"'.encode() in lines
    assert len(direct_answers) == 2


async def test_a_flip_to_another_generation_is_followed(
    world: RedisWorld, redis_url: str, direct_answers: list[Document]
) -> None:
    await world.put(USER)
    async with served(world, redis_url, direct=True) as client:
        await client.ask("/readyz")
        await client.ask(f"/users/{USER.id}")
        assert len(direct_answers) == 1
        await world.put(USER.model_copy(update={"version": 2, "display_name": "Flipped"}), generation=2)
        await world.open(2)
        for _ in range(2):
            assert b"Flipped" in (await client.ask(f"/users/{USER.id}"))[2]
        assert len(direct_answers) == 2


async def test_tokens_and_limits_hold_for_direct_answers(
    world: RedisWorld, redis_url: str, direct_answers: list[Document], tmp_path: Path
) -> None:
    await world.put(USER)
    guards = {**apps.auth(Issuer(tmp_path / "jwks.json")), "rate_limit_window_seconds": 3600}
    limits = {"rate_limit_subject": 110, "rate_limit_address": 1000}
    good, other = f"Authorization: Bearer {token()}", f"Authorization: Bearer {token(scope=WRITE)}"
    async with served(world, redis_url, direct=True, **guards, **limits) as client:
        statuses = []
        for number in range(115):
            status, lines, _ = await client.ask(f"/users/{USER.id}", good)
            statuses.append(int(status.split()[1]))
            if number == 1:
                assert b'ratelimit-policy: "address";q=1000;w=3600, "subject";q=110;w=3600' in lines
        assert statuses == [200] * 110 + [429] * 5
        # Leases are of 2 and 20 requests: every second one takes a lease, on the ordinary path.
        assert len(direct_answers) == 55
        for headers, status in [((), b"401"), ((other,), b"403"), ((other,), b"403"), ((good, good), b"400")]:
            assert (await client.ask(f"/users/{USER.id}", *headers))[0].split()[1] == status
        assert len(direct_answers) == 55


async def test_what_is_not_answered_directly_is_counted_once(
    world: RedisWorld, redis_url: str, direct_answers: list[Document]
) -> None:
    path = f"/users/{make_user(4).id}"
    async with served(world, redis_url, direct=True, rate_limit_address=100, rate_limit_window_seconds=3600) as client:
        await client.ask("/readyz")
        left = []
        for _ in range(4):
            client.writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await client.reader.readuntil(b"\r\n\r\n")
            await client.reader.readexactly(int(re.findall(rb"content-length: (\d+)", head)[0]))
            left.append(int(re.findall(rb"r=(\d+)", head)[0]))
        assert left == [99, 98, 97, 96]
    assert direct_answers == []
