"""One established connection to Redis, shared by every task of the process.

The commands of one event-loop tick leave in one write; replies are handed out in order (RESP2 pipelining). A link lives
until its first fault, then `runtime.redis_connection` makes the next one.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis import exceptions as redis_errors
from redis.connection import DefaultParser

Reply = Any
"""What a command answers: bytes, int, None, or a list of them."""

_NOT_ENOUGH = object()
_LEAST_WATCH_INTERVAL = 0.1  # of the time-out: how late a time-out may be noticed while replies still come


class Overloaded(redis_errors.RedisError):
    """Too many commands wait for Redis; this one was not sent."""


class RedisLink(asyncio.Protocol):
    """Match replies to commands on one transport.

    An entry of `_pending` is removed by its reply only, so a caller who gave up (cancelled, timed out) never shifts the
    replies of others. All commands have the same time-out, so entries stand in the order of their deadlines and one
    timer, on the oldest, serves them all.
    """

    def __init__(
        self, *, timeout_seconds: float, max_pending: int, on_lost: Callable[["RedisLink", str], None]
    ) -> None:
        self._timeout = timeout_seconds
        self._max_pending = max_pending
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(replyError=DefaultParser.parse_error, notEnoughData=_NOT_ENOUGH)
        # (whom to answer, deadline, replies of a group so far); in a group only the last entry has a future.
        self._pending: deque[tuple[asyncio.Future[Reply] | None, float, list[Reply] | None]] = deque()
        self._unsent: list[bytes] = []
        self._flush_scheduled = False
        self._paused = False
        self._deadline = 0.0
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._drained: asyncio.Future[None] | None = None
        self.lost = False

    def send(self, command: bytes) -> asyncio.Future[Reply]:
        """Queue one packed command for this tick's write; the future gets its reply or error.

        Raises:
            Overloaded: `max_pending` commands already wait.

        """
        self._admit(1)
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._unsent.append(command)
        self._pending.append((future, self._deadline, None))
        return future

    def send_many(self, commands: Sequence[bytes]) -> asyncio.Future[list[Reply]]:
        """Queue commands that leave together; the future gets all replies, with error replies as values among them."""
        self._admit(len(commands))
        future: asyncio.Future[list[Reply]] = self._loop.create_future()
        replies: list[Reply] = []
        if not commands:
            future.set_result(replies)
            return future
        self._unsent.extend(commands)
        self._pending.extend([(None, self._deadline, replies)] * (len(commands) - 1))
        self._pending.append((future, self._deadline, replies))
        return future

    async def drain(self) -> None:
        """Wait until no reply is owed."""
        if self._pending and not self.lost:
            self._drained = self._drained or self._loop.create_future()
            await asyncio.shield(self._drained)

    def fail(self, reason: str) -> None:
        """Close at once; whoever waits gets ConnectionError: Redis may or may not have executed the command."""
        if self.lost:
            return
        self.lost = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        for future, _, _ in self._pending:
            if future is not None and not future.done():
                future.set_exception(redis_errors.ConnectionError(reason))
        self._pending.clear()
        self._unsent.clear()
        self._settle_drain()
        self._on_lost(self, reason)

    def _admit(self, count: int) -> None:
        if self.lost:
            raise redis_errors.ConnectionError("the connection to Redis is closed")
        if len(self._pending) + count > self._max_pending:
            raise Overloaded(f"{len(self._pending)} commands already wait for Redis")
        if self._flush_scheduled:
            return
        self._flush_scheduled = True
        self._loop.call_soon(self._flush)
        self._deadline = self._loop.time() + self._timeout
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._watch)

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._unsent and not self._paused and self._transport is not None:
            self._transport.write(b"".join(self._unsent))
            self._unsent.clear()

    def _watch(self) -> None:
        """Time out the callers whose deadline is past; give the link up if Redis has been silent for as long."""
        self._timer = None
        if not self._pending:
            return
        now = self._loop.time()
        for future, deadline, _ in self._pending:
            if deadline > now:
                break
            if future is not None and not future.done():
                future.set_exception(redis_errors.TimeoutError(f"no answer from Redis within {self._timeout:g} s"))
        oldest_deadline = self._pending[0][1]
        if oldest_deadline <= now and self._heard_at <= now - self._timeout:
            self.fail("the connection to Redis was given up: it has stopped answering")
            return
        self._timer = self._loop.call_at(max(oldest_deadline, now + self._timeout * _LEAST_WATCH_INTERVAL), self._watch)

    def _settle_drain(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport and send what already waits."""
        self._transport = cast("asyncio.Transport", transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Hand out every reply that is complete."""
        self._heard_at = self._loop.time()
        try:
            self._reader.feed(data)
            self._hand_out_replies()
        except (hiredis.HiredisError, IndexError) as error:
            self.fail(f"Redis broke the protocol: {error!r}")

    def _hand_out_replies(self) -> None:
        next_reply, next_pending = self._reader.gets, self._pending.popleft
        deposed = False
        while (reply := next_reply()) is not _NOT_ENOUGH:
            future, _, replies = next_pending()
            if isinstance(reply, redis_errors.ReadOnlyError):
                deposed = True
            if replies is not None:
                replies.append(reply)
                reply = replies
            if future is None or future.done():
                continue
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)
        if not self._pending:
            self._settle_drain()
        if deposed:
            self.fail("this Redis has become a replica")  # the address may lead to the new primary by now

    def pause_writing(self) -> None:
        """Keep commands back: Redis reads more slowly than we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """Send what was kept back."""
        self._paused = False
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell everyone who waits."""
        self.fail(f"the connection to Redis broke: {error or 'closed by Redis'}")
