"""The newest changes, read once for all clients of this process.

One task reads on from the read models while there are clients, and keeps the newest changes in memory, each rendered
once. A client is a place among them; whoever falls out of them reads for himself until he has caught up. So memory is
bounded however slow the clients are.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from query_api import change_messages
from query_api.change_log import ChangeLog, PositionLost
from query_api.directory import Unavailable
from read_models.feed import Change, FeedPosition

POLL_SECONDS: Final = 0.02
_RETRY_AFTER_POLLS: Final = 10
_READ_AT_ONCE: Final = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """One change, with the hub's position behind it, ready to be sent to who is there."""

    change: Change
    position: FeedPosition
    message: bytes


class ChangeHub:
    """Read the changes and wake the clients.

    `told` has the newest changes; the first of them is number `first`, and before it the hub was at `begin`. The
    numbers only ever grow, also when the hub begins anew.
    """

    def __init__(self, changes: ChangeLog, buffer_events: int, poll_seconds: float) -> None:
        self._changes = changes
        self._buffer = buffer_events
        self._poll_seconds = poll_seconds
        self._wakers: set[Callable[[], None]] = set()
        self._task: asyncio.Task[None] | None = None
        self.told: list[Told] = []
        self.first = 0
        self.begin: FeedPosition | None = None
        self.position: FeedPosition | None = None

    @property
    def end(self) -> int:
        """Return the number of the next change."""
        return self.first + len(self.told)

    def covers(self, position: FeedPosition) -> bool:
        """Say whether all that follows a position is in `told` or still to come."""
        begin = self.begin
        return (
            begin is not None
            and begin.log_id == position.log_id
            and len(begin.offsets) == len(position.offsets)
            and position.includes(begin)
        )

    def join(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever there is something new, until `leave`."""
        self._wakers.add(wake)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="change-feed")

    def leave(self, wake: Callable[[], None]) -> None:
        """Stop reading when the last one leaves."""
        self._wakers.discard(wake)
        if not self._wakers and self._task is not None:
            self._task.cancel()
            self._task = None
            self._begin_at(None)

    async def close(self) -> None:
        """Stop reading."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            try:
                more = await self._read_on()
            except Unavailable:
                await asyncio.sleep(_RETRY_AFTER_POLLS * self._poll_seconds)
            except Exception:
                log.exception("change feed failed")  # a fault of ours, and no reason to leave the clients without
                await asyncio.sleep(_RETRY_AFTER_POLLS * self._poll_seconds)
            else:
                # Else a moment later: what comes within it leaves in one piece to each client.
                await asyncio.sleep(0 if more else self._poll_seconds)

    async def _read_on(self) -> bool:
        """Read what is new, and say whether there may be more."""
        if self.position is None:
            self._begin_at(await self._changes.now())
            self._wake()
            return False
        try:
            changes = await self._changes.read(self.position, _READ_AT_ONCE)
        except PositionLost:
            # The clients find out what that means for each of them.
            self._begin_at(None)
            return True
        position = self.position
        for change in changes.entries:
            position = position.after(change.partition, change.offset)
            self.told.append(Told(change, position, change_messages.message(change, position)))
        self.position = changes.position
        if len(self.told) >= 2 * self._buffer:
            self._forget(len(self.told) - self._buffer)
        if changes.entries:
            self._wake()
        return changes.more

    def _begin_at(self, position: FeedPosition | None) -> None:
        # A number is left out, so that nobody takes himself to be among the changes to come.
        self.first = self.end + 1
        self.told.clear()
        self.begin = self.position = position

    def _forget(self, count: int) -> None:
        self.begin = self.told[count - 1].position
        self.first += count
        del self.told[:count]

    def _wake(self) -> None:
        for wake in tuple(self._wakers):
            wake()
