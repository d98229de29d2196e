"""How long a write takes, and how soon readers see it, at a fixed rate: `python -m benchmarks.write_pace`.

An open loop registers users at each rate in turns, round by round; a latency counts from the moment at which the
request was due to the 201 (in Kafka, judged, applied, visible and unique). Freshness is the time from the broker's
time stamp of an event until the read models have it, whether or not its writer was told by then. The command API has
core 0; Kafka, Redis, the projector, the relay and the load have core 1.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from benchmarks.freshness import appended, lags, watching
from benchmarks.load import run_load
from benchmarks.requests import registrations
from benchmarks.services import UNDER_TEST, join_the_rest, pin_tree
from devstack import servers
from tests.stack import Stack, running_stack

_CONNECTIONS = 128
_QUIET = {"LOG_LEVEL": "warning", "ACCESS_LOG": "false"}
_FIGURES = ("rate", "p50", "p99", "fresh_p50", "fresh_p99", "fresh_most")


@dataclass(frozen=True)
class Pace:
    """What one run measured; times in milliseconds."""

    rate: float
    p50: float
    p99: float
    fresh_p50: float
    fresh_p99: float
    fresh_most: float


def measure(stack: Stack, rate: float, seconds: float, request: Callable[[], bytes]) -> Pace:
    """Write at a rate.

    Raises:
        SystemExit: a write was answered otherwise than 201.
    """
    address, environ = urlsplit(stack.command_url), stack.environ
    with watching(environ["REDIS_URL"], stack.key_prefix, int(environ["KAFKA_PARTITIONS"])) as sightings:
        load = run_load(
            str(address.hostname),
            int(address.port or 0),
            request,
            connections=_CONNECTIONS,
            seconds=seconds,
            warm_up_seconds=1,
            rate=rate,
        )
        result = uvloop.run(load)
    if set(result.statuses) != {201} or result.broken:
        sys.exit(f"not every registration was accepted: {result.statuses}, {result.broken} broken")
    fresh = lags(appended(environ["KAFKA_BOOTSTRAP_SERVERS"], stack.events_topic, sightings), sightings)
    p50, p99 = (fresh[int(len(fresh) * share)] for share in (0.5, 0.99))
    return Pace(result.rate, result.p50, result.p99, p50, p99, fresh[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[200, 1000], help="writes a second")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10, help="of each run")
    parser.add_argument("--json", type=Path, help="file for all results")
    arguments = parser.parse_args()
    join_the_rest()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    found: dict[float, list[Pace]] = {rate: [] for rate in arguments.rates}
    with (
        tempfile.TemporaryDirectory() as directory,
        servers.kafka() as kafka,
        servers.redis() as redis,
        running_stack(kafka.bootstrap, redis.url, Path(directory), **_QUIET) as stack,
    ):
        assert stack.command_api.pid is not None
        pin_tree(stack.command_api.pid, {UNDER_TEST})
        request = registrations()
        measure(stack, 200, 3, request)
        for turn in range(arguments.rounds):
            for rate in arguments.rates[:: -1 if turn % 2 else 1]:
                found[rate].append(measure(stack, rate, arguments.seconds, request))
            print(f"round {turn + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    print(f"{'asked for /s':>12}{'reached /s':>12}{'p50 ms':>9}{'p99 ms':>9}{'fresh p50':>11}{'p99':>7}{'most':>7}")
    for rate, paces in found.items():
        median = [statistics.median(getattr(pace, name) for pace in paces) for name in _FIGURES]
        print("{:12g}{:12.0f}{:9.1f}{:9.1f}{:11.0f}{:7.0f}{:7.0f}".format(rate, *median))
    if arguments.json:
        arguments.json.write_text(json.dumps({rate: list(map(asdict, p)) for rate, p in found.items()}, indent=1))


if __name__ == "__main__":
    main()
