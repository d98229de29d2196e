"""One client of the change feed: what it gets, in which order, and where it is."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from query_api import change_messages
from query_api.change_hub import ChangeHub
from query_api.change_log import ChangeLog, PositionLost
from query_api.directory import Unavailable
from read_models.feed import Change, FeedPosition
from runtime.metrics import CHANGE_FEED_EVENTS, CHANGE_FEED_FALLEN_BEHIND, CHANGE_FEED_RESETS

_READ_AT_ONCE: Final = 100
MOST_BYTES_AT_ONCE: Final = 16_384
_RETRY_SECONDS: Final = 0.5
_GO_ON: Final = b""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes a client wants; None: all."""

    types: frozenset[str] | None = None
    user_id: str | None = None

    def has(self, change: Change) -> bool:
        """Say whether the client wants this change."""
        entry = change.entry
        return (self.types is None or entry.type in self.types) and self.user_id in (None, entry.user_id)


class ChangeClient:
    """Follow the hub; where the hub does not reach back so far, read until it does.

    `_position` is behind all that the client was sent or did not want. While it follows the hub, `_place` is the number
    of its next change there. `_in_step`: it has seen no more than the hub has read; right after it caught up it may
    have.
    """

    def __init__(
        self, hub: ChangeHub, changes: ChangeLog, wanted: Wanted, position: FeedPosition, heartbeat_seconds: float
    ) -> None:
        self._hub = hub
        self._changes = changes
        self._wanted = wanted
        self._position = position
        self._heartbeat = heartbeat_seconds
        self._backlog: deque[Change] = deque()
        self._backlog_end = position
        self._place: int | None = None
        self._in_step = False
        self._woken = asyncio.Event()
        self._ended = False
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        self._timer = self._loop.call_later(heartbeat_seconds, self._beat)

    def wake(self) -> None:
        """Look for changes."""
        self._woken.set()

    def end(self) -> None:
        """End the messages, soon."""
        self._ended = True
        self._timer.cancel()
        self._woken.set()

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """Give what is to be sent, in pieces of about 16 KiB, until `end`."""
        yield change_messages.greeting(self._position)
        while not self._ended:
            self._woken.clear()
            if self._backlog:
                piece = self._from_backlog()
            elif (place := self._follow()) is not None:
                piece = self._from_hub(place)
            else:
                piece = await self._read()
            if piece == _GO_ON:
                continue
            if piece is None and self._loop.time() - self._sent_at >= self._heartbeat:
                piece = change_messages.heartbeat(self._position)
            if piece is None:
                await self._woken.wait()
            else:
                self._sent_at = self._loop.time()
                yield piece

    def _beat(self) -> None:
        due = self._sent_at + self._heartbeat - self._loop.time()
        if due <= 0:
            due = self._heartbeat
            self.wake()
        self._timer = self._loop.call_later(due, self._beat)

    def _follow(self) -> int | None:
        """Return the number of the client's next change in the hub; None: the hub does not reach back so far."""
        hub = self._hub
        if self._place is not None and self._place < hub.first:
            self._place = None
            CHANGE_FEED_FALLEN_BEHIND.inc()
        if self._place is None and hub.covers(self._position):
            self._place, self._in_step = hub.first, False
        return self._place

    def _from_hub(self, place: int) -> bytes | None:
        """Take what comes next in the hub; None: nothing that the client wants."""
        hub = self._hub
        piece = _Piece()
        for number, told in enumerate(hub.told[place - hub.first :], place + 1):
            if piece.full:
                return piece.content()
            self._place = number
            change, message = told.change, told.message
            if self._in_step:
                self._position = told.position
            elif change.offset < self._position.offsets[change.partition]:
                continue
            else:
                self._position = self._position.after(change.partition, change.offset)
                message = change_messages.message(change, self._position)
                self._in_step = told.position.includes(self._position)
            if self._wanted.has(change):
                piece.add(message)
        if hub.position is not None and (self._in_step or hub.position.includes(self._position)):
            self._in_step = True
            self._position = hub.position
        return piece.content()

    def _from_backlog(self) -> bytes | None:
        piece = _Piece()
        while self._backlog and not piece.full:
            change = self._backlog.popleft()
            self._position = self._position.after(change.partition, change.offset)
            if self._wanted.has(change):
                piece.add(change_messages.message(change, self._position))
        if not self._backlog:
            self._position = self._backlog_end
        return piece.content() or _GO_ON

    async def _read(self) -> bytes | None:
        """Read what follows the client's position, for itself; None: that cannot be done now, or nothing follows."""
        try:
            try:
                changes = await self._changes.read(self._position, _READ_AT_ONCE)
            except PositionLost as lost:
                self._position = await self._changes.now()
                CHANGE_FEED_RESETS.labels(lost.reason).inc()
                return change_messages.reset(lost.reason, self._position)
        except Unavailable:
            self._loop.call_later(_RETRY_SECONDS, self.wake)
            return None
        if changes.position == self._position:
            # The hub is about to begin.
            return None
        self._backlog.extend(changes.entries)
        self._backlog_end = changes.position
        if not self._backlog:
            self._position = changes.position
        return _GO_ON


class _Piece:
    """Messages that leave together."""

    def __init__(self) -> None:
        self._messages: list[bytes] = []
        self._size = 0

    @property
    def full(self) -> bool:
        return self._size >= MOST_BYTES_AT_ONCE

    def add(self, message: bytes) -> None:
        self._messages.append(message)
        self._size += len(message)

    def content(self) -> bytes | None:
        """Return the messages, counted as sent; None: there is none."""
        if not self._messages:
            return None
        CHANGE_FEED_EVENTS.inc(len(self._messages))
        return b"".join(self._messages)
