"""uvicorn's HTTP/1.1 protocol with each response leaving in one write.

uvicorn writes a response's head and its body apart, and uvloop makes a system call (and a TCP segment) of each;
docs/adr/0202-responses-leave-in-one-write.md has the measurements.
"""

import asyncio
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

DRAIN_HOOKS = "user_directory.drain_hooks"
"""Where in the state of the ASGI lifespan an application leaves what is to be called when the server stops."""

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
        self._ended = False
        self.is_closing = transport.is_closing  # asked on every response

    def write(self, data: bytes) -> None:
        """Send `data` within this tick, after what was written before."""
        if not self._held:
            self._call_soon(self._flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _MOST_HELD_BYTES:
            self._flush()

    def write_whole(self, data: bytes) -> None:
        """Send `data`, to which nothing will be added, after what was written before."""
        if self._held:
            self.write(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is held, then close."""
        self._flush()
        self._transport.close()

    def write_eof(self) -> None:
        """Send what is held, then nothing more."""
        self._flush()
        self._transport.write_eof()
        self._ended = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Send what is held, then hand the connection over."""
        self._flush()
        self._transport.set_protocol(protocol)

    def _flush(self) -> None:
        if self._held and not self._ended and not self._transport.is_closing():
            self._transport.write(b"".join(self._held))
        self._held.clear()
        self._held_bytes = 0

    def __getattr__(self, name: str) -> Any:
        """Pass everything else to the transport itself."""
        return getattr(self._transport, name)


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol on a `OneWriteTransport`; for uvicorn's setting `http`.

    A client who takes nothing of his answer is cut off: after a minute, or after a second once the server stops. And
    the application is told when the server stops, to end the answers that have no end of their own.
    """

    stalled_seconds: ClassVar[float] = 60
    stalled_seconds_when_stopping: ClassVar[float] = 1
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection."""
        super().connection_made(cast("asyncio.Transport", OneWriteTransport(transport, self.loop)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._wait_for_client(None)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Hold the answer up: the client takes it more slowly than it is made."""
        super().pause_writing()
        self._wait_for_client(self.stalled_seconds)

    def resume_writing(self) -> None:
        """Go on."""
        self._wait_for_client(None)
        super().resume_writing()

    def shutdown(self) -> None:
        """Serve no further request of this connection; the server stops."""
        super().shutdown()
        if self._stalled is not None:
            self._wait_for_client(self.stalled_seconds_when_stopping)
        for hook in self.app_state.get(DRAIN_HOOKS, ()):
            hook()

    def _wait_for_client(self, seconds: float | None) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
        self._stalled = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
