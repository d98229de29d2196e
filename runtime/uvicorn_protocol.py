"""uvicorn's HTTP/1.1 protocol with each response leaving in one write.

uvicorn writes a response's head and its body apart, and uvloop makes a system call (and a TCP segment) of each;
docs/adr/0202-responses-leave-in-one-write.md has the measurements.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MOST_HELD_BYTES = 65_536


class OneWriteTransport:
    """Hold what is written until the end of the event-loop tick, then write it in one piece.

    Anything beyond 64 KiB goes on at once, so that the transport can still tell a streaming response to wait.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.is_closing = transport.is_closing  # asked on every response

    def write(self, data: bytes) -> None:
        """Send `data` within this tick, after what was written before."""
        if not self._held:
            self._call_soon(self._flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _MOST_HELD_BYTES:
            self._flush()

    def close(self) -> None:
        """Send what is held, then close."""
        self._flush()
        self._transport.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Send what is held, then hand the connection over."""
        self._flush()
        self._transport.set_protocol(protocol)

    def _flush(self) -> None:
        if self._held and not self._transport.is_closing():
            self._transport.write(b"".join(self._held))
        self._held.clear()
        self._held_bytes = 0

    def __getattr__(self, name: str) -> Any:
        """Pass everything else to the transport itself."""
        return getattr(self._transport, name)


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol on a `OneWriteTransport`; for uvicorn's setting `http`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection."""
        super().connection_made(cast("asyncio.Transport", OneWriteTransport(transport, self.loop)))
