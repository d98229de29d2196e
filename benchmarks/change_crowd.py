"""Many clients of one change feed, in one process: light enough to share a machine with the service under test."""

import asyncio
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

_DATA: Final = b"\ndata: "
_REQUEST: Final = b"GET /changes HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
_CONNECTING_AT_ONCE: Final = 100


class Crowd:
    """Clients that count the changes they get; `broken` are those that lost their connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._clients: list[_Client] = []
        self._changed = asyncio.Event()
        self.broken = 0

    async def connect(self, count: int) -> None:
        """Connect clients, and wait until each has been told where it begins."""
        loop = asyncio.get_running_loop()
        for start in range(0, count, _CONNECTING_AT_ONCE):
            made = [_Client(self._note, self._lose) for _ in range(min(_CONNECTING_AT_ONCE, count - start))]
            await asyncio.gather(
                *(loop.create_connection(lambda client=client: client, self._host, self._port) for client in made)  # type: ignore[misc]
            )
            self._clients += made
        await self._until(lambda: all(client.begun for client in self._clients))

    async def until_all_have(self, count: int) -> None:
        """Wait until each client has so many changes."""
        await self._until(lambda: all(client.count >= count for client in self._clients))

    def counts(self) -> set[int]:
        """Return how many changes the clients have."""
        return {client.count for client in self._clients}

    def close(self) -> None:
        """Disconnect all."""
        for client in self._clients:
            client.close()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    def _note(self) -> None:
        self._changed.set()

    def _lose(self) -> None:
        self.broken += 1


class _Client(asyncio.Protocol):
    def __init__(self, note: Callable[[], None], lose: Callable[[], None]) -> None:
        self.count = 0
        self.begun = False
        self._rest = b""
        self._note, self._lose = note, lose
        self._transport: asyncio.Transport | None = None
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        # A mark may be cut in two.
        data = self._rest + data
        self.begun = self.begun or b"retry: " in data
        self.count += data.count(_DATA)
        self._rest = data[-(len(_DATA) - 1) :]
        self._note()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._closing:
            self._lose()

    def close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()
