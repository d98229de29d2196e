"""What a page of a list costs, shallow and deep, in a small directory and in a large one; and what the indexes weigh.

    python -m benchmarks.list_pages                             100,000 users
    python -m benchmarks.list_pages --users 1000000 --imported

It runs a Redis and a query API of its own, and projects the users straight into Redis by the projector's own
calculation; or, with `--imported`, it runs a whole stack and registers them by `POST /users/import`. Pages are read
over HTTP, one at a time, 50 users each. A deep page is the 10,000th, or that in the middle where there are not so many.
It is counted in the order, whatever the filter leaves of it, but for a time by which the list is sorted.
"""

import argparse
import http.client
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlencode

from redis import Redis

from benchmarks.crowded_directory import PARTITIONS, PREFIX, CrowdedDirectory, address_of, name_of
from benchmarks.imported_directory import ImportedDirectory
from benchmarks.services import directory as whole_stack
from benchmarks.services import query_api
from devstack import servers
from query_api.cursors import Cursor
from query_api.directory import Start
from query_api.list_parameters import read_users_query
from read_models.keys import Sort
from read_models.listing import SORTS, TIME_BYTES, before, behind, instant, time_bytes
from user_directory_events.timestamps import from_milliseconds

_SMALL: Final = 10_000
_DEEP_USERS: Final = 9_999 * 50
_SUSPENDED_EACH: Final = 100
_FURTHER_EVENTS: Final = 10_000
_BUDGET_BYTES: Final = 2048
_KEYS_SAMPLED: Final = 1000

Query = dict[str, str]
Directory = CrowdedDirectory | ImportedDirectory


@dataclass(frozen=True)
class Times:
    """Milliseconds."""

    p50: float
    p99: float


class Reader:
    """Reads pages over one connection."""

    def __init__(self, port: int, rounds: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._rounds = rounds

    def measure(self, *queries: Query) -> list[Times]:
        """Read the pages of several queries by turns."""
        # While users were registered the server may have closed a connection on which nothing came.
        self._connection.close()
        durations: list[list[float]] = [[] for _ in queries]
        for turn in range(-5, self._rounds):
            for query, of_query in zip(queries, durations, strict=True):
                began = time.perf_counter()
                self.get(f"/users?{urlencode(query)}")
                if turn >= 0:
                    of_query.append((time.perf_counter() - began) * 1000)
        return [Times(*(sorted(some)[int(len(some) * share)] for share in (0.5, 0.99))) for some in durations]

    def get(self, path: str) -> None:
        """Read one answer."""
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise SystemExit(f"{path}: {answer.status} {body[:200]!r}")


def cases(moments: "Moments", users: int) -> dict[str, Query]:
    """Return what is asked: each order, each filter alone, and some filters in an order other than their own."""
    start = moments.at("created_at", 0)
    half = moments.at("created_at", users // 2)
    last = moments.at("updated_at", users - users // 100)
    given, family = (name.lower() for name in name_of(users // 3))
    orders = {f"sort={sign}{sort}": {"sort": f"{sign}{sort}"} for sort in SORTS for sign in ("", "-")}
    alone = {
        "email": {"email": address_of(users // 2)},
        "external_id": {"external_id": f"hr-{users // 200 * 100}"},
        "status=active": {"status": "active"},
        "status=suspended": {"status": "suspended"},
        "q: a given name": {"q": given},
        "q: a family name": {"q": family},
        "q: three letters": {"q": given[:3]},
        "q: one letter": {"q": given[:1]},
        "q: everybody's word": {"q": "example"},
        "created_after: all": {"created_after": start},
        "created_after: half": {"created_after": half},
        "created_before: half": {"created_before": half},
        "updated_after: all": {"updated_after": start},
        "updated_after: 1 %": {"updated_after": last},
    }
    in_another_order = {
        "status=suspended, by name": {"status": "suspended", "sort": "name"},
        "q: a given name, by name": {"q": given, "sort": "name"},
        "q: three letters, by e-mail": {"q": given[:3], "sort": "email"},
        "updated_after: 1 %, by name": {"updated_after": last, "sort": "name"},
        "created_before: half, by name": {"created_before": half, "sort": "name"},
    }
    combined = {
        "q: two words": {"q": f"{given[:4]} {family[:4]}"},
        "q and status=suspended": {"q": given, "status": "suspended"},
    }
    return orders | alone | in_another_order | combined


class Moments:
    """Where the times and the deep pages of a directory are: by ranks in its indexes."""

    def __init__(self, directory: Directory, redis: Redis) -> None:
        self._keys = directory.keys
        self._users = len(directory)
        self._redis = redis

    def at(self, sort: Sort, rank: int) -> str:
        """Return the time of the user who has this rank by creation or by change."""
        member: Any = self._redis.zrange(self._keys.sorted_by(sort), rank, rank)[0]
        return from_milliseconds(int.from_bytes(member[:TIME_BYTES], "big") - instant(0))

    def deep(self, query: Query) -> Query:
        """Return the query for a deep page."""
        read = read_users_query(query)
        sort, descending, filters = read.page.sort, read.page.descending, read.page.filters
        index = self._keys.sorted_by(sort)
        first, last = 0, self._users
        if sort in ("created_at", "updated_at"):
            after = filters.created_from if sort == "created_at" else filters.updated_from
            until = filters.created_before if sort == "created_at" else None
            first = self._redis.zlexcount(index, "-", b"(" + time_bytes(after)) if after is not None else first
            last = self._redis.zlexcount(index, "-", b"(" + time_bytes(until)) if until is not None else last
        rank = first + min(_DEEP_USERS, (last - first) // 2)
        member: Any = self._redis.zrange(index, rank, rank, desc=descending)[0]
        boundary = before(sort, member) if descending else behind(sort, member)
        return {**query, "cursor": str(Cursor.at(read.identity, Start(boundary)))}


def grow(directory: Directory, up_to: int, say: Callable[[str], None]) -> None:
    """Register users up to a number."""
    began = time.monotonic()
    for count in directory.register(up_to):
        if count == up_to or count % 100_000 < _SMALL:
            say(f"  {count:,} users after {time.monotonic() - began:.0f} s")


def suspend(directory: Directory, first: int) -> None:
    """Suspend one user in a hundred of those from a number on."""
    directory.suspend(range(first, len(directory), _SUSPENDED_EACH))


def weigh(directory: Directory, redis: Redis, empty: int) -> None:
    """Print the bytes of a user, by what they are for."""
    users = len(directory)
    whole = used(redis) - empty
    print(f"\nRedis memory of {users:,} users with one event each, everything included (budget {_BUDGET_BYTES}):")
    print(f"  {whole / users:8.1f} bytes a user")
    told = 0.0
    for name, index in indexes(directory).items():
        bytes_a_user = int(redis.memory_usage(index, samples=_KEYS_SAMPLED) or 0) / users
        told += bytes_a_user
        print(f"  {bytes_a_user:8.1f}   {name}: {redis.zcard(index) / users:.3f} members a user")
    feed = sum(int(redis.memory_usage(directory.keys.changes(partition)) or 0) for partition in range(PARTITIONS))
    told += feed / users
    print(f"  {feed / users:8.1f}   change feed, {feed / 1e6:.1f} MB whatever the number of users")
    for kind, name in (("u", "record and document"), ("h", "history")):
        found = redis.scan_iter(match=f"{directory.keys.prefix}:{kind}:*", count=_KEYS_SAMPLED)
        sizes = [int(redis.memory_usage(key) or 0) for key, _ in zip(found, range(_KEYS_SAMPLED), strict=False)]
        told += sum(sizes) / len(sizes)
        print(f"  {sum(sizes) / len(sizes):8.1f}   {name}")
    print(f"  {whole / users - told:8.1f}   hash tables and rounding, of which MEMORY USAGE does not tell")


def indexes(directory: Directory) -> dict[str, str]:
    """Return the keys of the indexes that every user is in, by what they are for."""
    keys = directory.keys
    return {
        "by creation": keys.sorted_by("created_at"),
        "by change": keys.sorted_by("updated_at"),
        "by name": keys.sorted_by("name"),
        "by e-mail, with the claims": keys.claims("email"),
        "external ids": keys.claims("external_id"),
        "words": keys.words,
        "shared starts of words": keys.shared_starts,
    }


def used(redis: Redis) -> int:
    """Return the bytes that Redis uses."""
    return int(redis.info("memory")["used_memory"])


@contextmanager
def projected() -> Iterator[tuple[CrowdedDirectory, Redis, int]]:
    """Run a Redis and a query API; yield the empty directory, the Redis, and the port of the query API."""
    with servers.redis(options={"save": ""}) as server, Redis.from_url(server.url) as redis:
        directory = CrowdedDirectory(server.url)
        with query_api(server.url) as port:
            yield directory, redis, port


@contextmanager
def imported() -> Iterator[tuple[ImportedDirectory, Redis, int]]:
    """Run a whole stack with a Redis of its own; yield the same as `projected`."""
    with (
        TemporaryDirectory() as workspace,
        servers.redis(options={"save": ""}) as server,
        Redis.from_url(server.url) as redis,
        whole_stack(Path(workspace), pinned=False, environment={"REDIS_URL": server.url}) as side,
    ):
        yield ImportedDirectory(f"http://127.0.0.1:{side.writes}", redis, PREFIX), redis, side.reads


def measure(directory: Directory, redis: Redis, port: int, users: int, rounds: int) -> None:
    """Load, measure, print."""
    empty = used(redis)
    reader = Reader(port, rounds)
    grow(directory, _SMALL, print)
    suspend(directory, 0)
    small = {name: reader.measure(query)[0] for name, query in cases(Moments(directory, redis), _SMALL).items()}
    grow(directory, users, print)
    if isinstance(directory, ImportedDirectory):
        print(f"  {len(directory) / directory.seconds:,.0f} users/s through the import")
    weigh(directory, redis, empty)
    weight = used(redis)
    directory.update(range(_FURTHER_EVENTS))
    print(f"  {(used(redis) - weight) / _FURTHER_EVENTS:8.1f} bytes a further event")
    suspend(directory, _SMALL)
    print(f"\nPages of 50 users over HTTP, in ms; {users:,} users, and the first page with {_SMALL:,}:")
    print(f"{'':32} {'first page':>16} {'deep page':>16} {'deep/first':>12} {'first/small':>12}")
    print(f"{'':32} {'p50':>8}{'p99':>8} {'p50':>8}{'p99':>8} {'p50':>6}{'p99':>6} {'p50':>6}{'p99':>6}")
    moments = Moments(directory, redis)
    for name, query in cases(moments, users).items():
        first, far = reader.measure(query, moments.deep(query))
        was = small[name]
        print(
            f"{name:32} {first.p50:8.2f}{first.p99:8.2f} {far.p50:8.2f}{far.p99:8.2f} "
            f"{far.p50 / first.p50:6.2f}{far.p99 / first.p99:6.2f} "
            f"{first.p50 / was.p50:6.2f}{first.p99 / was.p99:6.2f}"
        )
    if isinstance(directory, ImportedDirectory):
        weight = used(redis)
        directory.key = "weighed"
        grow(directory, users + _FURTHER_EVENTS, print)
        keyed = (used(redis) - weight) / _FURTHER_EVENTS
        print(f"\n  {keyed:8.1f} bytes a user whose import had an Idempotency-Key, for 24 hours")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a directory, measure it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.list_pages", description=__doc__.split("\n\n")[0])
    parser.add_argument("--users", type=int, default=100_000, help="how many in the large directory (default: 100000)")
    parser.add_argument("--rounds", type=int, default=300, help="how often each page is read (default: 300)")
    parser.add_argument("--imported", action="store_true", help="a whole stack registers the users by its import")
    asked = parser.parse_args(arguments)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with imported() if asked.imported else projected() as (directory, redis, port):
        measure(directory, redis, port, asked.users, asked.rounds)
    print(f"load {os.getloadavg()[2]:.1f}")


if __name__ == "__main__":
    main()
