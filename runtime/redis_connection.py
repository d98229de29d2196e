"""The process's only connection to Redis: multiplexed, and made anew whenever it breaks.

docs/adr/0201-multiplexed-redis-connection.md tells why this is not a client library's pool.
"""

import asyncio
import contextlib
import hashlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, cast

import hiredis
from redis import exceptions as redis_errors
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url
from redis.backoff import EqualJitterBackoff

from runtime.redis_link import Overloaded, RedisLink, Reply

__all__ = ["Argument", "Execute", "Overloaded", "RedisConnection", "Reply", "Script"]

Argument = str | bytes | int | float
Execute = Callable[..., Awaitable[Reply]]

# hiredis declares tuples of length one only.
pack_command = cast("Callable[[tuple[Argument, ...]], bytes]", hiredis.pack_command)

_RECONNECT_FIRST_SECONDS = 0.02
_RECONNECT_LONGEST_SECONDS = 1.0
_MOST_DOUBLINGS = 16  # the back-off is at its longest well before, and 2**n must fit a float
_STABLE_AFTER_SECONDS = 5.0  # a link that lived this long resets the back-off

log = logging.getLogger(__name__)


class RedisConnection:
    """Send commands of all tasks over one connection.

    Nothing is ever sent twice: a command that a broken connection left without a reply raises ConnectionError, and
    Redis may have executed it. While disconnected, commands wait for the connection, at most `connect_timeout_seconds`.
    `on_connect` is awaited with an `execute` of each new connection before any other command is sent on it; if it
    raises, the connection is refused and tried again.

    Every call may raise:
        redis.exceptions.ConnectionError: not connected, or the connection broke before the reply.
        redis.exceptions.TimeoutError: no reply within `timeout_seconds`; Redis may have executed the command.
        redis.exceptions.ResponseError: Redis refused the command (and subclasses: NoScriptError, ReadOnlyError, ...).
        Overloaded: more than `max_pending` commands would wait; nothing was sent.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 1.0,
        connect_timeout_seconds: float = 1.0,
        max_pending: int = 10_000,
        on_connect: Callable[[Execute], Awaitable[object]] | None = None,
    ) -> None:
        options: dict[str, Any] = dict(parse_url(url))
        connection_class = options.pop("connection_class", Connection)
        # redis-py's own object, never connected, holds what the URL means (defaults, TLS context).
        self._target: Connection | UnixDomainSocketConnection = connection_class(**options)
        self._timeout = timeout_seconds
        self._connect_timeout = connect_timeout_seconds
        self._max_pending = max_pending
        self._on_connect = on_connect
        self._link: RedisLink | None = None
        self._linked = asyncio.Event()
        self._unlinked = asyncio.Event()
        self._unlinked_because = ""
        self._waiting = 0
        self._keeper: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether commands can be sent at once."""
        return self._link is not None

    async def start(self) -> None:
        """Begin to keep a connection; return once it is there, or after the connect time-out while it is still tried.

        A process so starts without Redis, and serves as soon as Redis comes.
        """
        if self._keeper is None:
            self._linked.clear()
            self._keeper = asyncio.create_task(self._keep_connected(), name="redis-connection")
        with contextlib.suppress(redis_errors.ConnectionError):
            await self._wait_for_link()

    async def close(self) -> None:
        """Wait for the replies still owed, at most the time-out, then close; later commands raise ConnectionError."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        link, self._link = self._link, None
        if link is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await link.drain()
            link.fail("the connection to Redis was closed")
        self._linked.set()  # wakes who still waits for a connection, to be told that there is none

    async def execute(self, *command: Argument) -> Reply:
        """Send one command and return its reply: bytes, int, None or a list."""
        link = self._link or await self._wait_for_link()
        return await link.send(pack_command(command))

    def send_at_once(self, *command: Argument) -> "asyncio.Future[Reply] | None":
        """Send one command without waiting for a connection; None: there is none now, and nothing was sent.

        The future gets the reply, or the error.
        """
        link = self._link
        return None if link is None else link.send(pack_command(command))

    async def execute_many(self, commands: Iterable[Sequence[Argument]]) -> list[Reply]:
        """Send commands in one piece and return their replies; all are executed, then the first error reply raises."""
        packed = [pack_command(tuple(command)) for command in commands]
        link = self._link or await self._wait_for_link()
        replies = await link.send_many(packed)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    def script(self, source: str) -> "Script":
        """Return a callable for a Lua script, sent by its hash and loaded when Redis does not know it."""
        return Script(self, source)

    async def _wait_for_link(self) -> RedisLink:
        if self._waiting >= self._max_pending:
            raise Overloaded(f"{self._waiting} commands already wait for a connection to Redis")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._connect_timeout):
                while self._keeper is not None:
                    await self._linked.wait()
                    if self._link is not None:
                        return self._link
        except TimeoutError:
            raise redis_errors.ConnectionError(f"no connection to Redis within {self._connect_timeout:g} s") from None
        finally:
            self._waiting -= 1
        raise redis_errors.ConnectionError("the connection to Redis is closed")

    async def _keep_connected(self) -> None:
        backoff = EqualJitterBackoff(base=_RECONNECT_FIRST_SECONDS, cap=_RECONNECT_LONGEST_SECONDS)
        loop = asyncio.get_running_loop()
        failures = 0
        reported = False
        while True:
            try:
                # Not wait_for: in Python 3.11 it can swallow the cancellation that close() relies on.
                async with asyncio.timeout(self._connect_timeout):
                    await self._connect()
            except (OSError, redis_errors.RedisError) as error:
                if not reported:
                    log.warning("redis-unavailable", extra={"reason": f"{type(error).__name__}: {error}"})
                    reported = True
            except Exception:
                log.exception("redis-connect-failed")  # a fault of ours, and no reason to stop trying
            else:
                log.info("redis-connected")
                reported = False
                connected_at = loop.time()
                await self._unlinked.wait()
                log.warning("redis-disconnected", extra={"reason": self._unlinked_because})
                if loop.time() - connected_at >= _STABLE_AFTER_SECONDS:
                    failures = 0
            await asyncio.sleep(backoff.compute(failures))
            failures = min(failures + 1, _MOST_DOUBLINGS)

    async def _connect(self) -> None:
        """Open a connection on which Redis answers, and make it the one that commands use."""
        loop = asyncio.get_running_loop()

        def make_link() -> RedisLink:
            return RedisLink(timeout_seconds=self._timeout, max_pending=self._max_pending, on_lost=self._forget)

        target = self._target
        if isinstance(target, UnixDomainSocketConnection):
            transport, link = await loop.create_unix_connection(make_link, target.path)
        else:
            tls: ssl.SSLContext | None = target.ssl_context.get() if isinstance(target, SSLConnection) else None
            transport, link = await loop.create_connection(make_link, target.host, target.port, ssl=tls)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            await self._greet(link)
        except BaseException:
            link.fail("the connection to Redis was not usable")
            raise
        if link.lost:
            raise redis_errors.ConnectionError("Redis closed the connection")
        self._link = link
        self._unlinked.clear()
        self._linked.set()

    async def _greet(self, link: RedisLink) -> None:
        async def execute(*command: Argument) -> Reply:
            return await link.send(pack_command(command))

        target = self._target
        if target.password:
            await execute("AUTH", *([target.username] if target.username else []), target.password)
        if target.db:
            await execute("SELECT", target.db)
        await execute("PING")  # refused while Redis loads its data
        if self._on_connect is not None:
            await self._on_connect(execute)

    def _forget(self, link: RedisLink, reason: str) -> None:
        if self._link is link:
            self._unlinked_because = reason
            self._link = None
            self._linked.clear()
            self._unlinked.set()


class Script:
    """Run one Lua script by its hash."""

    def __init__(self, connection: RedisConnection, source: str) -> None:
        self._connection = connection
        self._source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: Sequence[str | bytes] = (), args: Sequence[Argument] = ()) -> Reply:
        """Execute atomically; a script that Redis has forgotten is loaded first, as it then did not run."""
        call = ("EVALSHA", self.sha, len(keys), *keys, *args)
        try:
            return await self._connection.execute(*call)
        except redis_errors.NoScriptError:
            return (await self._connection.execute_many([("SCRIPT", "LOAD", self._source), call]))[1]
