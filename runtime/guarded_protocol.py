"""The HTTP/1.1 protocol with limits on what a client may send before anything of ours looks at it.

uvicorn and its parser limit neither the size nor the number of headers nor the time that they take.
"""

import asyncio
from typing import ClassVar, Final

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from runtime.problems import MEDIA_TYPE, Problem
from runtime.uvicorn_protocol import OneWriteProtocol

MOST_HEAD_BYTES: Final = 32_768
"""Of the request line and all headers; a token may have 8 KiB of them."""
MOST_HEADERS: Final = 100
MOST_URL_BYTES: Final = 8192


class Refused(Exception):
    """The request is not taken on; ends the parser's work."""


class GuardedProtocol(OneWriteProtocol):
    """Refuse heads that are too large, too many or too slow, each with a problem document and the connection's end.

    Bytes that make neither a head complete nor belong to a body (trailers, extensions of chunks) count as a head.
    """

    head_seconds: ClassVar[float] = 15
    """From a request's first byte, or the connection's begin, to the end of its headers."""

    lingering_seconds: ClassVar[float] = 1
    """What a refused client has to read why."""

    _patience: asyncio.TimerHandle | None = None
    _in_head = True
    _in_message = False
    _unaccounted = 0
    _arrived = 0
    _began_in = 0
    _because: Problem | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection, and wait for its first request not for ever."""
        super().connection_made(transport)
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        if self._because is not None:
            return  # what still arrives while the refusal leaves
        self._arrived = len(data)
        self._unaccounted += self._arrived
        super().data_received(data)
        if self._unaccounted > MOST_HEAD_BYTES and self._because is None:
            self._refuse(_too_large_head())
        elif self._in_head and self._in_message and self._patience is None:
            self._be_patient()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._unaccounted = 0
        self._began_in = self._arrived
        self._in_head = self._in_message = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; nothing of ours reads trailers."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let the request in if its head is in order.

        Raises:
            Refused: it is not; the parser then ends in `send_400_response`.
        """
        self._in_head = False
        self._because = self._fault()
        if self._because is not None:
            raise Refused
        self._unaccounted = 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unaccounted = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._unaccounted = 0
        self._in_message = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End an answer; a client who was answered early must not send the rest of the body for ever."""
        super().on_response_complete()
        if self._in_message and not self._in_head and self._patience is None:
            self._be_patient()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser cannot go on with, and close."""
        problem = self._because or Problem("malformed-request", "This is no HTTP request.")
        self._because = problem
        content = orjson.dumps(problem.document())
        head = {
            **dict(self.server_state.default_headers),
            b"content-type": MEDIA_TYPE.encode(),
            b"content-length": str(len(content)).encode(),
            b"connection": b"close",
        }
        lines = b"".join(b"%s: %s\r\n" % pair for pair in head.items())
        self.transport.write(STATUS_LINE[problem.status] + lines + b"\r\n" + content)
        # Closed at once, with data of the client unread, the answer could be lost on its way (RFC 9112, 9.6).
        self.transport.write_eof()
        self._stop_waiting()
        self._patience = self.loop.call_later(self.lingering_seconds, self.transport.abort)

    def _fault(self) -> Problem | None:
        if len(self.url) > MOST_URL_BYTES:
            return Problem("uri-too-long", f"The URL must have at most {MOST_URL_BYTES} bytes.")
        if not self.url.isascii():
            return Problem("malformed-request", "The URL must be ASCII; other characters are percent-encoded.")
        if self.parser.get_http_version() not in ("1.1", "1.0"):
            return Problem("malformed-request", "The request must be of HTTP/1.1.")
        if len(self.headers) > MOST_HEADERS:
            return Problem("headers-too-large", f"A request must have at most {MOST_HEADERS} headers.")
        # A head that came in little data is not large; only of another one the size is worth counting.
        if self._unaccounted + self._began_in > MOST_HEAD_BYTES and self._head_bytes() > MOST_HEAD_BYTES:
            return _too_large_head()
        return None

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _refuse(self, problem: Problem) -> None:
        """Answer with a problem if no answer is under way, and close."""
        self._because = problem
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.close()
        else:
            self.send_400_response("")

    def _be_patient(self) -> None:
        self._patience = self.loop.call_later(self.head_seconds, self._lose_patience)

    def _lose_patience(self) -> None:
        self._patience = None
        if self._in_message and self._in_head:
            self._refuse(Problem("request-timeout", "The request did not arrive in time."))
        else:
            self.transport.close()  # nothing was asked, or it was answered

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _too_large_head() -> Problem:
    return Problem("headers-too-large", f"The headers must have at most {MOST_HEAD_BYTES} bytes together.")
