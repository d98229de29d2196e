"""Uvicorn's server, which says goodbye to its clients before it closes their connections."""

import asyncio
import contextlib
import socket
from typing import Final

from uvicorn.server import Server

# After SIGTERM, for kept connections to be told with their next answer that it is the last one.
FAREWELL_SECONDS: Final = 2


class GracefulServer(Server):
    """Answers for FAREWELL_SECONDS after SIGTERM, or until no client is connected; then shuts down as uvicorn does.

    Uvicorn alone closes idle connections at once, and a client whose next request is under way by then cannot know
    whether it was heeded (RFC 9112, 9.6).
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let every answer from now on be its connection's last."""
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        for connection in list(self.server_state.connections):
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_complete:
                connection.shutdown()  # a busy one closes after its answer, which has taken its headers already
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                while self.server_state.connections and not self.force_exit:  # noqa: ASYNC110 - uvicorn has no event
                    await asyncio.sleep(0.05)
        await super().shutdown(sockets)
