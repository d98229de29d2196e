"""What Redis itself gives out, one value a request: `redis-benchmark -t get -P 1`."""

import csv
import shutil
import subprocess
from collections.abc import Callable
from typing import Final

from redis import Redis

from benchmarks.comparison import Sample

# The key that redis-benchmark reads unless it is told to make up many.
_KEY: Final = "key:__rand_int__"


def redis_limit(url: str, value: bytes, *, connections: int, requests: int, core: int) -> Callable[[], Sample]:
    """Return what runs redis-benchmark on a core, reading a value of this size."""
    program = shutil.which("redis-benchmark")
    if program is None:
        raise SystemExit("redis-benchmark is not installed: apt install redis-tools")
    with Redis.from_url(url) as redis:
        redis.set(_KEY, value)
        port = redis.get_connection_kwargs()["port"]
    options = ["-t", "get", "-P", "1", "-c", str(connections), "-n", str(requests), "--csv"]
    command = ["taskset", "-c", str(core), program, "-p", str(port), *options]

    def measure() -> Sample:
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return parsed(told)

    return measure


def parsed(told: str) -> Sample:
    """Read what redis-benchmark prints with --csv."""
    row = next(csv.DictReader(told.splitlines()))
    return Sample(float(row["rps"]), float(row["p50_latency_ms"]), float(row["p99_latency_ms"]))
