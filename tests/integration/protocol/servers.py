"""Simulated Redis servers: databases of one real Redis, so that a copy, a wipe or a fail-over takes no time.

Each has what the guard tells servers apart by, run id and replication id, in a hash of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import NoScriptError

from projector.settings import ProjectorSettings
from projector.store import ReadModelStore
from read_models.calls import Call
from read_models.keys import Keys
from runtime.settings import load

T = TypeVar("T")

_COPY = """
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':*')) do
  redis.call('COPY', key, key, 'DB', ARGV[2])
end
"""
_WIPE = "for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':*')) do redis.call('DEL', key) end"
_DUMP = """
local read = {
  string = function(key) return redis.call('GET', key) end,
  hash = function(key) return redis.call('HGETALL', key) end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  set = function(key) return redis.call('SMEMBERS', key) end,
  stream = function(key) return redis.call('XRANGE', key, '-', '+') end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1) end,
}
local found = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':*')) do
  local kind = redis.call('TYPE', key).ok
  found[#found + 1] = {key, kind, read[kind](key)}
end
return found
"""


class Server:
    """One server: the calls of the write side through `run`, those of the projector through the real `store`."""

    def __init__(self, url: str, database: int, prefix: str) -> None:
        there = urlsplit(url)._replace(path=f"/{database}").geturl()
        self.keys = Keys(prefix)
        self.store = ReadModelStore(load(ProjectorSettings, {"REDIS_URL": there, "REDIS_KEY_PREFIX": prefix}))
        self.run_id = self.replid = 0
        self._database = database
        self._redis = Redis.from_url(there, single_connection_client=True)

    def identify(self, run_id: int, replid: int) -> None:
        """Take on an identity, as a start and a promotion do."""
        self.run_id, self.replid = run_id, replid
        identity: dict[Any, Any] = {"run_id": f"{run_id:040x}", "replid": f"{replid:040x}"}
        self._redis.hset(identity_key(self.keys.prefix), mapping=identity)

    def become_copy_of(self, other: "Server") -> None:
        """Forget everything and take over what the other holds, its identity included."""
        self.wipe()
        other._redis.eval(_COPY, 0, self.keys.prefix, self._database)

    def wipe(self) -> None:
        """Forget everything, the identity included."""
        self._redis.eval(_WIPE, 0, self.keys.prefix)

    def run(self, call: Call[T], clock_ms: int = 0) -> T:
        """Make one call; the server's clock shows these milliseconds since 1970.

        Raises:
            NotReady, OtherGeneration: see `Call.result`.
        """
        arguments = [*call.arguments, clock_ms // 1000, clock_ms % 1000 * 1000]
        try:
            reply: Any = self._redis.evalsha(call.script.sha, len(call.keys), *call.keys, *arguments)
        except NoScriptError:
            reply = self._redis.eval(call.script.source, len(call.keys), *call.keys, *arguments)
        return call.result(reply)

    def oldest_deadline(self, partition: int) -> int | None:
        """Return the earliest deadline of the partition's reservations, in milliseconds since 1970."""
        found: Any = self._redis.zrange(self.keys.reservations(partition), 0, 0, withscores=True)
        return int(found[0][1]) if found else None

    def dump(self, below: str) -> dict[bytes, object]:
        """Return the values of all keys under a prefix: bytes, or a dict, list or set of bytes."""
        found: Any = self._redis.eval(_DUMP, 0, below)
        return {key: _value(kind, value) for key, kind, value in found}

    def close(self) -> None:
        """Wipe, and close the connections."""
        self.wipe()
        self.store.close()
        self._redis.close()


def _value(kind: bytes, value: Any) -> object:
    if kind == b"hash":
        return dict(zip(value[::2], value[1::2], strict=True))
    return set(value) if kind == b"set" else value


def identity_key(prefix: str) -> str:
    """Name the hash of a simulated server's identity."""
    return f"{prefix}:identity"


class Machines:
    """The databases that servers can be started on, one of them kept for snapshots and one for replays."""

    def __init__(self, url: str, prefix: str, databases: int = 16) -> None:
        self.snapshot, self.replay, *self._all = [Server(url, database, prefix) for database in range(databases)]
        self._free: list[Server] = []

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """Run one schedule on empty databases."""
        self._free = list(self._all)
        try:
            yield
        finally:
            for server in {*self._all} - {*self._free} | {self.snapshot, self.replay}:
                server.wipe()

    def start(self) -> Server | None:
        """Return a server that nobody has used in this schedule; None: there are no more."""
        return self._free.pop() if self._free else None

    def close(self) -> None:
        """Wipe and close all."""
        for server in (self.snapshot, self.replay, *self._all):
            server.close()
