"""The same for asyncio: the follower works in a thread of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from user_directory_events.consumer.checkpoint import Checkpoint
from user_directory_events.consumer.follower import Batch, Follower

_POLL_SECONDS = 0.5


class AsyncFollower:
    """A follower to be iterated over with `async for`, within `async with`.

    `known_version` and `observe` of the follower are called in its thread, while the event loop waits for the batch.

    Args:
        make: makes the follower; called in the thread that alone uses it then.
    """

    def __init__(self, make: Callable[[], Follower]) -> None:
        self._make = make
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="user-directory-follower")
        self._follower: Follower | None = None
        self._polling: asyncio.Future[Batch | None] | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        try:
            self._follower = await loop.run_in_executor(self._thread, self._make)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        # A poll that is under way when the task is cancelled ends by itself, before this in the same thread.
        await loop.run_in_executor(self._thread, self._entered.close)
        self._thread.shutdown(wait=False)
        if self._polling is not None:
            # Nobody waits for it any more, and so nobody is to be told that it failed.
            self._polling.exception()

    @property
    def checkpoint(self) -> Checkpoint:
        """Return where to go on behind all that was told."""
        return self._entered.checkpoint

    async def poll(self, timeout: float) -> Batch | None:  # noqa: ASYNC109 - how long Kafka is waited for
        """Return the next batch, after at most `timeout` seconds; None: nothing is new. Raises what `Follower` does.

        Whoever gives up waiting loses nothing: the next call returns the batch.
        """
        if self._polling is None:
            loop = asyncio.get_running_loop()
            self._polling = loop.run_in_executor(self._thread, self._entered.poll, timeout)
        try:
            batch = await asyncio.shield(self._polling)
        except Exception:
            self._polling = None
            raise
        self._polling = None
        return batch

    async def __aiter__(self) -> AsyncIterator[Batch]:
        """Tell batch after batch, until the task is cancelled."""
        while True:
            batch = await self.poll(_POLL_SECONDS)
            if batch is not None:
                yield batch

    @property
    def _entered(self) -> Follower:
        if self._follower is None:
            raise RuntimeError("use it within `async with`")
        return self._follower
