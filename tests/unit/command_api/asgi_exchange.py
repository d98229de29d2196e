"""One request to an ASGI app whose body is sent, and whose answer is taken, bit by bit."""

import asyncio
from typing import Any, Self

import orjson


class Exchange:
    """A POST that is under way; use it as a context manager."""

    def __init__(self, app: Any, path: str, content_type: str, **headers: str) -> None:
        sent = {"host": "test", "content-type": content_type} | {
            name.replace("_", "-").lower(): value for name, value in headers.items()
        }
        path, _, query = path.partition("?")
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self.status = 0
        self.lines: list[dict[str, Any]] = []
        self.taken = 0
        self.takes = asyncio.Event()
        self.takes.set()
        self._app = app
        self._to_send: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._rest = b""
        self._arrived = asyncio.Event()

    def send(self, body: bytes) -> None:
        """Send a part of the body."""
        self._to_send.put_nowait({"type": "http.request", "body": body, "more_body": True})

    def end(self) -> None:
        """End the body."""
        self._to_send.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    def leave(self) -> None:
        """Go, without an end."""
        self._to_send.put_nowait({"type": "http.disconnect"})

    async def has(self, count: int) -> list[dict[str, Any]]:
        """Wait until that many lines have come."""
        async with asyncio.timeout(5):
            while len(self.lines) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.lines

    async def result(self) -> list[dict[str, Any]]:
        """Wait until the answer is complete."""
        async with asyncio.timeout(10):
            await self.task
        return self.lines

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self._app(self.scope, self._receive, self._send))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    async def _receive(self) -> dict[str, Any]:
        event = await self._to_send.get()
        self.taken += 1
        return event

    async def _send(self, event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            self.status = event["status"]
            return
        await self.takes.wait()
        *lines, self._rest = (self._rest + event.get("body", b"")).split(b"\n")
        if not event.get("more_body") and self._rest:
            lines.append(self._rest)
        self.lines += [orjson.loads(line) for line in lines]
        self._arrived.set()
