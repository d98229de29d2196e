"""How often one caller may ask, counted in Redis for all processes together.

docs/adr/0602-requests-are-counted-by-leases.md tells why no library does it.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

import falcon.asgi
from redis.exceptions import RedisError

from runtime import context, metrics
from runtime.access_table import OPEN_PATHS
from runtime.client_address import ClientAddresses
from runtime.observation import Request
from runtime.problems import Problem
from runtime.redis_connection import RedisConnection
from runtime.settings import RateLimitSettings

MOST_CALLERS: Final = 10_000
_LEASES_IN_WINDOW: Final = 50
_PATIENCE_SECONDS: Final = 0.25

# The generic cell rate algorithm: one time for each caller, up to which its requests are paid for. Times are in
# microseconds of Redis's clock. It grants as many of the requests asked for as there is room for in the window.
_TAKE: Final = """#!lua
local window, interval, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local paid = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now))
local room = math.floor((now + window - paid) / interval)
if room < 1 then
  return {0, 0, math.ceil(paid + interval - window - now)}
end
local granted = math.min(room, wanted)
paid = paid + granted * interval
redis.call('SET', KEYS[1], string.format('%.0f', paid), 'PX', math.ceil((paid - now) / 1000))
return {granted, room - granted, 0}
"""


class Bank(Protocol):
    """Where leases are taken from."""

    async def take(self, key: str, quota: int, window: float, wanted: int) -> tuple[int, int, float]:
        """Return how many requests are granted, how many are left, and else after how many seconds one would be."""


class RedisBank:
    """The bank that all processes share."""

    def __init__(self, redis: RedisConnection, key_prefix: str) -> None:
        self._take = redis.script(_TAKE)
        self._prefix = key_prefix

    async def take(self, key: str, quota: int, window: float, wanted: int) -> tuple[int, int, float]:
        """Take in one script."""
        microseconds = window * 1_000_000
        arguments = [int(microseconds), microseconds / quota, wanted]
        granted, left, wait = await self._take([f"{self._prefix}:rate:{key}"], arguments)
        return granted, left, wait / 1_000_000


@dataclass(slots=True)
class _Lease:
    """Requests that this process may let pass without asking, or the time until which it need not ask."""

    granted: int = 0
    left: int = 0
    until: float = 0.0
    refused_until: float = 0.0

    def holds(self, now: float) -> bool:
        return self.granted >= 1 and self.until > now

    def take(self) -> int:
        """Take one; return how many are left."""
        self.granted -= 1
        return self.granted + self.left


class RateLimit:
    """At most `quota` requests of one caller in `window` seconds, in any mixture over the processes."""

    def __init__(
        self, name: str, quota: int, window: float, bank: Bank, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name: Final = name
        self.policy: Final = f'"{name}";q={quota};w={window:g}'
        self._quota = quota
        self._window = window
        self._seconds = math.ceil(window)
        self._bank = bank
        self._clock = clock
        self._lease_size = max(1, quota // _LEASES_IN_WINDOW)
        self._leases: dict[str, _Lease] = {}

    async def spend(self, caller: str) -> tuple[bool, int, int]:
        """Count one request; return whether it may pass, how many more may, and in how many seconds it changes."""
        now = self._clock()
        lease = self._leases.get(caller)
        if lease is None:
            if len(self._leases) >= MOST_CALLERS:
                self._leases.clear()
            lease = self._leases[caller] = _Lease()
        if lease.refused_until > now:
            return False, 0, math.ceil(lease.refused_until - now)
        if not lease.holds(now):
            try:
                granted, left, wait = await self._bank.take(
                    f"{self.name}:{quote(caller, safe='')}", self._quota, self._window, self._lease_size
                )
            except RedisError:
                # Without Redis nothing else is answered either: no reason to tell a client that it asks too often.
                metrics.RATE_LIMIT_FAILURES.inc()
                return True, self._quota, 1
            if granted < 1:
                lease.refused_until = now + wait
                return False, 0, max(1, math.ceil(wait))
            lease.granted = granted + (lease.granted if lease.until > now else 0)
            lease.left, lease.until = left, now + self._window
        return True, lease.take(), self._seconds

    def lease_of(self, caller: str) -> _Lease | None:
        """Return the caller's lease if a request can be taken from it, without asking the bank."""
        lease = self._leases.get(caller)
        return lease if lease is not None and lease.holds(self._clock()) else None

    def told(self, left: object, seconds: int | None = None) -> str:
        """Return what RateLimit tells a client; it changes in so many seconds, None: in a window's time."""
        return f'"{self.name}";r={left};t={self._seconds if seconds is None else seconds}'


class Spent:
    """What one request took from its caller's leases, and the headers that tell the client, as lines."""

    __slots__ = ("_leases", "lines")

    def __init__(self, leases: Sequence[_Lease], lines: bytes) -> None:
        self._leases = leases
        self.lines = lines

    def give_back(self) -> None:
        """Undo it: the request will be counted once more."""
        for lease in self._leases:
            lease.granted += 1


class RateLimits:
    """Falcon middleware; has to come after `Access`, which knows the subject."""

    def __init__(
        self,
        *,
        per_address: RateLimit | None,
        per_subject: RateLimit | None,
        addresses: ClientAddresses,
        redis: RedisConnection,
    ) -> None:
        """Take the limits, and the connection that they share, which has to be started and closed."""
        self._per_address = per_address
        self._per_subject = per_subject
        self._addresses = addresses
        self._lines = {True: _lines(per_address, per_subject), False: _lines(per_address)}
        self.redis: Final = redis

    async def process_request(self, req: Request, resp: falcon.asgi.Response) -> None:
        """Count the request for its address; also one that is refused later."""
        if self._per_address is not None and req.path not in OPEN_PATHS:
            await _spend(self._per_address, self._addresses.of(req), resp)

    def spend_at_once(self, client: tuple[str, int] | None, forwarded_for: Iterable[bytes], actor: str) -> Spent | None:
        """Count a request without waiting; None: a lease has to be taken for it first, and nothing was counted."""
        leases: list[_Lease] = []
        if self._per_address is not None:
            lease = self._per_address.lease_of(self._addresses.of_peer(client, forwarded_for))
            if lease is None:
                return None
            leases.append(lease)
        if self._per_subject is not None and actor:
            lease = self._per_subject.lease_of(actor)
            if lease is None:
                return None
            leases.append(lease)
        return Spent(leases, self._lines[bool(actor)] % tuple([lease.take() for lease in leases]))

    async def process_resource(
        self, req: Request, resp: falcon.asgi.Response, _resource: object, _params: dict[str, Any]
    ) -> None:
        """Count the request for its subject."""
        if self._per_subject is not None and req.path not in OPEN_PATHS and (actor := context.actor.get()):
            await _spend(self._per_subject, actor, resp)


def _lines(*limits: RateLimit | None) -> bytes:
    """Return the headers that tell of these limits, as lines, with a place for what is left of each."""
    given = [limit for limit in limits if limit is not None]
    if not given:
        return b""
    policies, told = ", ".join(limit.policy for limit in given), ", ".join(limit.told("%d") for limit in given)
    return f"ratelimit-policy: {policies}\r\nratelimit: {told}\r\n".encode()


async def _spend(limit: RateLimit, caller: str, resp: falcon.asgi.Response) -> None:
    passes, left, seconds = await limit.spend(caller)
    headers = {"RateLimit-Policy": limit.policy, "RateLimit": limit.told(left, seconds)}
    if not passes:
        metrics.RATE_LIMITED.labels(limit.name).inc()
        detail = f"This {limit.name} asks too often; the limits are {limit.policy}."
        raise Problem("too-many-requests", detail, headers={**headers, "Retry-After": str(seconds)})
    for name, value in headers.items():
        resp.append_header(name, value)  # beside those of the other limit


def rate_limits_of(settings: RateLimitSettings, addresses: ClientAddresses) -> RateLimits | None:
    """Make the limits that the settings ask for; None: there is none."""
    if settings.rate_limit_address is None and settings.rate_limit_subject is None:
        return None
    redis = RedisConnection(
        settings.rate_limit_redis_url or settings.redis_address,
        timeout_seconds=_PATIENCE_SECONDS,
        connect_timeout_seconds=_PATIENCE_SECONDS,
    )
    bank = RedisBank(redis, settings.redis_key_prefix)

    def limit(name: str, quota: int | None) -> RateLimit | None:
        return None if quota is None else RateLimit(name, quota, settings.rate_limit_window_seconds, bank)

    return RateLimits(
        per_address=limit("address", settings.rate_limit_address),
        per_subject=limit("subject", settings.rate_limit_subject),
        addresses=addresses,
        redis=redis,
    )
