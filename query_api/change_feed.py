"""The clients of the change feed, as many as this process takes."""

from typing import Final

from query_api.change_client import ChangeClient, Wanted
from query_api.change_hub import POLL_SECONDS, ChangeHub
from query_api.change_log import ChangeLog
from query_api.directory import Unavailable
from read_models.feed import FeedPosition
from runtime.metrics import CHANGE_FEED_CLIENTS
from runtime.problems import Problem

# Somebody has to leave first, or another process to be asked.
_RETRY_AFTER_SECONDS: Final = 5


class ChangeFeed:
    """One hub and its clients."""

    def __init__(
        self,
        changes: ChangeLog,
        *,
        max_clients: int,
        buffer_events: int,
        heartbeat_seconds: float,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._changes = changes
        self._hub = ChangeHub(changes, buffer_events, poll_seconds)
        self._max_clients = max_clients
        self._heartbeat_seconds = heartbeat_seconds
        self._clients: set[ChangeClient] = set()
        self._arriving = 0
        self._draining = False

    async def connect(self, wanted: Wanted, position: FeedPosition | None) -> ChangeClient:
        """Take a client; None: from now on. It has to `disconnect`.

        Raises:
            Unavailable: nobody knows where now is, or this process stops.
            Problem: there are as many clients as there may be.
        """
        if self._draining:
            raise Unavailable("This process is about to stop.")
        if len(self._clients) + self._arriving >= self._max_clients:
            raise Problem(
                "service-unavailable",
                "This process has as many clients of the change feed as it takes.",
                headers={"Retry-After": str(_RETRY_AFTER_SECONDS)},
            )
        self._arriving += 1
        try:
            begin = position or await self._changes.now()
        finally:
            self._arriving -= 1
        client = ChangeClient(self._hub, self._changes, wanted, begin, self._heartbeat_seconds)
        self._clients.add(client)
        CHANGE_FEED_CLIENTS.set(len(self._clients))
        self._hub.join(client.wake)
        return client

    def disconnect(self, client: ChangeClient) -> None:
        """Let a client go."""
        client.end()
        self._clients.discard(client)
        CHANGE_FEED_CLIENTS.set(len(self._clients))
        self._hub.leave(client.wake)

    def drain(self) -> None:
        """End all messages, so that the clients go on elsewhere, and take no new client."""
        self._draining = True
        for client in self._clients:
            client.end()

    async def close(self) -> None:
        """Stop reading."""
        await self._hub.close()
