"""A TCP proxy between one process and what it talks to: the place where connections are cut, frozen and delayed."""

import asyncio
import contextlib
import random
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from devstack.servers import free_port

Address = tuple[str, int]

_CHUNK_BYTES = 65536


class Link:
    """Takes a port of its own at once, listens once started, and passes all on to a target, which may change."""

    def __init__(self, target: Address) -> None:
        self._socket = _bound()
        self.port = int(self._socket.getsockname()[1])
        self.target = target
        self.delay = 0.0
        """Seconds by which each chunk is late, either way."""
        self._up = True
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, sock=self._socket)

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
        self._socket.close()
        self.abort()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection, and each new one, until mended."""
        self._up = False
        self.abort()

    def freeze(self) -> None:
        """Hold back everything, on connections that stay open, until mended."""
        self._flowing.clear()

    def mend(self) -> None:
        """Pass everything on at once again."""
        self._up, self.delay = True, 0.0
        self._flowing.set()

    def retarget(self, target: Address) -> None:
        """Reset every connection; new ones lead to another target."""
        self.target = target
        self.abort()

    def abort(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._up:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._writers |= ends

        async def both() -> None:
            try:
                await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
            finally:
                self._writers -= ends
                for end in ends:
                    end.transport.abort()

        self._run(both)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A connection that breaks on one side is over; the other side learns it from the end of its stream.
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()

    def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(work())
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)


def own_loopback_address() -> str:
    """Return an address on which nobody else listens: a port is not taken by others while its process is down.

    Linux has sixteen million of them; elsewhere it is the usual one.
    """
    if sys.platform != "linux":
        return "127.0.0.1"
    return "127." + ".".join(str(random.SystemRandom().randrange(1, 255)) for _ in range(3))


def _bound() -> socket.socket:
    while True:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(("127.0.0.1", free_port()))
        except OSError:
            bound.close()
        else:
            return bound
