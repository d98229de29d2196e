"""How late other systems hear, and what that costs writers: `python -m benchmarks.relay [--rate 500] [--rounds 5]`.

An open loop registers users at a fixed rate. A process of its own follows `user-changes`, read committed, and takes
for each change the time from the log's time stamp to its own reading. In turns, without that process, the relay runs
and does not: the ratio of the verdict's latency (from Kafka's acknowledgement to the projector's answer) says what it
costs. A machine that is too slow for the rate shows in the rate that is reached: then requests wait for each other.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import uuid
from array import array
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from kafka import KafkaConsumer, TopicPartition

from benchmarks.load import http_request, run_load
from devstack import servers
from tests.e2e.processes import metric
from tests.stack import Stack, running_stack

_CONNECTIONS = 64
_SETTLE_SECONDS = 3.0
_FOLLOWED, _WITH, _WITHOUT = "relay, changes followed", "relay", "no relay"
_FIGURES = ("rate", "p50", "p99", "verdict")
_QUIET = {"LOG_LEVEL": "warning", "ACCESS_LOG": "false"}


def follow(bootstrap: str, topic: str, partitions: int, told: Connection) -> None:
    """Follow the changes until the other end says stop, then send the lags in milliseconds."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
    consumer.seek_to_end()
    lags = array("d")
    consumer.poll(timeout_ms=200)
    told.send("following")
    while not told.poll():
        for records in consumer.poll(timeout_ms=50).values():
            now = time.time() * 1000
            lags.extend(now - record.timestamp for record in records)
    told.send(lags)
    consumer.close()


@dataclass(frozen=True)
class Run:
    """What one load measured: writes answered a second, times in milliseconds, all lags in ascending order."""

    rate: float
    p50: float
    p99: float
    verdict: float
    lags: list[float] = field(default_factory=list)

    def lag(self, share: float) -> float:
        """Return the lag that this share of the changes stayed below."""
        return self.lags[min(len(self.lags) - 1, int(len(self.lags) * share))]


def load(stack: Stack, rate: float, seconds: float) -> Run:
    """Register users at this rate; `verdict` is the mean wait for it."""
    address = urlsplit(stack.command_url)

    def register() -> bytes:
        body = {"email": f"{uuid.uuid4().hex}@example.org", "display_name": "Ada Lovelace"}
        return http_request("POST", "/users", body=json.dumps(body).encode())

    before = _verdicts(stack)
    result = uvloop.run(
        run_load(
            address.hostname or "",
            address.port or 0,
            register,
            connections=_CONNECTIONS,
            seconds=seconds,
            warm_up_seconds=1,
            rate=rate,
        )
    )
    if set(result.statuses) != {201} or result.broken:
        sys.exit(f"not every registration was accepted: {result.statuses}, {result.broken} broken")
    count, total = (after - former for after, former in zip(_verdicts(stack), before, strict=True))
    return Run(result.rate, result.p50, result.p99, total / count * 1000)


def _verdicts(stack: Stack) -> tuple[float, float]:
    name = "verdict_wait_seconds"
    return metric(stack.command_url, f"{name}_count"), metric(stack.command_url, f"{name}_sum")


def load_and_follow(stack: Stack, rate: float, seconds: float) -> Run:
    """Register users at this rate, while a process of its own follows the changes."""
    mine, others = multiprocessing.Pipe()
    environ = stack.environ
    arguments = (environ["KAFKA_BOOTSTRAP_SERVERS"], stack.changes_topic, int(environ["KAFKA_PARTITIONS"]), others)
    follower = multiprocessing.get_context("spawn").Process(target=follow, args=arguments)
    follower.start()
    mine.recv()
    run = load(stack, rate, seconds)
    time.sleep(_SETTLE_SECONDS)
    mine.send("stop")
    run.lags.extend(sorted(mine.recv()))
    follower.join()
    return run


def without_relay(stack: Stack, rate: float, seconds: float) -> Run:
    """Register users at this rate while no relay runs."""
    stack.relay.stop()
    time.sleep(_SETTLE_SECONDS)
    run = load(stack, rate, seconds)
    stack.relay.start()
    stack.relay.wait_ready()
    # What it has to catch up with is not to be measured.
    time.sleep(_SETTLE_SECONDS)
    return run


def report(runs: dict[str, list[Run]]) -> None:
    """Print the medians of all rounds."""
    print(f"{'':26}{'reached /s':>12}{'request p50 ms':>16}{'p99 ms':>8}{'verdict ms':>12}")
    for name, found in runs.items():
        figures = [statistics.median(getattr(run, figure) for run in found) for figure in _FIGURES]
        print("{:26}{:12.0f}{:16.1f}{:8.1f}{:12.1f}".format(name, *figures))
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "most": 1.0}
    followed = runs[_FOLLOWED]
    told = ", ".join(
        f"{name} {statistics.median(r.lag(share) for r in followed):.0f} ms" for name, share in shares.items()
    )
    print(f"lag of the changes: {told}")
    ratios = [one.verdict / other.verdict for one, other in zip(runs[_WITH], runs[_WITHOUT], strict=True)]
    print(
        f"verdict with the relay to without: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=500, help="registrations a second")
    parser.add_argument("--seconds", type=float, default=15, help="of each run")
    parser.add_argument("--rounds", type=int, default=5, help="of all three ways, in turns")
    parser.add_argument("--json", type=Path, help="file for all results")
    arguments = parser.parse_args()
    measures = {_FOLLOWED: load_and_follow, _WITH: load, _WITHOUT: without_relay}
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    with (
        tempfile.TemporaryDirectory() as directory,
        servers.kafka() as kafka,
        servers.redis() as redis,
        running_stack(kafka.bootstrap, redis.url, Path(directory), **_QUIET) as stack,
    ):
        load(stack, min(arguments.rate, 200), 3)
        runs: dict[str, list[Run]] = {name: [] for name in (_FOLLOWED, _WITH, _WITHOUT)}
        for turn in range(arguments.rounds):
            for name, measure in list(measures.items())[:: -1 if turn % 2 else 1]:
                runs[name].append(measure(stack, arguments.rate, arguments.seconds))
            print(f"round {turn + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    report(runs)
    if arguments.json:
        arguments.json.write_text(json.dumps({name: list(map(asdict, found)) for name, found in runs.items()}))


if __name__ == "__main__":
    main()
