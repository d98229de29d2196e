"""The projector's messages to this process, on a connection of their own: they say which events are settled."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

_RESUBSCRIBE_SECONDS = 0.2
_CANCEL_AGAIN_SECONDS = 0.05

OnWake = Callable[[Sequence[str] | None], None]
"""Takes the ids of events whose outcome may be known; None: calls may have been missed, so it may be anybody's."""

log = logging.getLogger(__name__)


class WakeCalls:
    """Listens to a channel, again after each break."""

    def __init__(self, redis_address: str, channel: str, on_wake: OnWake) -> None:
        self._redis = Redis.from_url(redis_address, socket_connect_timeout=2, health_check_interval=2)
        self._channel = channel
        self._on_wake = on_wake
        self._listener: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._listener = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            # Once is not enough: redis-py swallows a cancellation that comes while it connects or subscribes.
            while not self._listener.done():
                self._listener.cancel()
                await asyncio.wait([self._listener], timeout=_CANCEL_AGAIN_SECONDS)
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        await self._redis.aclose()

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(self._channel)
                    async for message in subscription.listen():
                        # The first one confirms the subscription: from then on nothing is missed.
                        calls = message["data"].decode().split(" ") if message["type"] == "message" else None
                        self._on_wake(calls)
            except (RedisError, OSError) as error:
                log.warning("wake channel lost", extra={"error": type(error).__name__})
            await asyncio.sleep(_RESUBSCRIBE_SECONDS)
