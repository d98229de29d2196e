"""The client's side of `POST /users/import`: sends rows and takes results at the same time."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import httptools

_READ_BYTES: Final = 64 * 1024
_CONNECT_SECONDS: Final = 10


class ConnectionBroken(Exception):
    """There is no answer, or not the whole of it; some of what was sent may have been carried out."""


class _Answer:
    """The answer while it arrives; httptools calls the methods that begin with `on_`."""

    def __init__(self) -> None:
        self.status = 0
        self.complete = False
        self.parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)

    def on_message_complete(self) -> None:
        self.complete = True

    def take_body(self) -> bytes:
        """Return what has arrived of the body since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


async def exchange(
    url: str,
    headers: dict[str, str],
    body: Iterable[bytes],
    on_body: Callable[[int, bytes], None],
    *,
    idle_seconds: float,
) -> int:
    """Post a body while its answer is being read; return the status.

    Args:
        url: where to.
        headers: beside those that every request has.
        body: the parts, read as fast as the server takes them.
        on_body: gets the status and each part of the answer's body, and may raise to break off.
        idle_seconds: how long the server may be silent.

    Raises:
        ConnectionBroken: see there.
    """
    answer = _Answer()
    try:
        async with _connection(url) as (reader, writer):
            sending = asyncio.create_task(_send(writer, url, headers, body))
            try:
                while not answer.complete:
                    async with asyncio.timeout(idle_seconds):
                        data = await reader.read(_READ_BYTES)
                    if not data:
                        raise ConnectionBroken("the server closed the connection")
                    answer.parser.feed_data(data)
                    if body_data := answer.take_body():
                        on_body(answer.status, body_data)
            finally:
                sending.cancel()
                await asyncio.wait([sending])
    except httptools.HttpParserError as error:
        raise ConnectionBroken(f"the server does not speak HTTP ({error})") from error
    except TimeoutError as error:
        raise ConnectionBroken("the server is silent") from error
    except OSError as error:
        raise ConnectionBroken(error.strerror or str(error)) from error
    return answer.status


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(url)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    async with asyncio.timeout(_CONNECT_SECONDS):
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, url: str, headers: dict[str, str], body: Iterable[bytes]) -> None:
    parts = urlsplit(url)
    lines = {"Host": parts.netloc, "Transfer-Encoding": "chunked", "User-Agent": "user-directory-import", **headers}
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"POST {target} HTTP/1.1\r\n{head}\r\n".encode())
    try:
        for part in body:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
    except BaseException:
        # Whoever waits for the answer learns of it as of a broken connection.
        writer.transport.abort()
        raise
