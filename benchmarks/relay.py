"""How late other systems hear, and what that costs writers: `python -m benchmarks.relay [--rate 500] [--rounds 3]`.

An open loop registers users at a fixed rate. A process of its own follows `user-changes`, read committed, and takes
for each change the time from the log's time stamp to its own reading. In turns the relay runs and does not: the ratio
of the verdict's latency (from Kafka's acknowledgement to the projector's answer) says what it costs.
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
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from kafka import KafkaConsumer, TopicPartition

from benchmarks.load import LoadResult, http_request, run_load
from devstack import servers
from tests.e2e.processes import metric
from tests.stack import Stack, running_stack

_CONNECTIONS = 64
_SETTLE_SECONDS = 3.0
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


def load(stack: Stack, rate: float, seconds: float) -> tuple[LoadResult, float]:
    """Register users at this rate; return the result and the mean wait for the verdict in milliseconds."""
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
    return result, total / count * 1000


def _verdicts(stack: Stack) -> tuple[float, float]:
    name = "verdict_wait_seconds"
    return metric(stack.command_url, f"{name}_count"), metric(stack.command_url, f"{name}_sum")


def lags(stack: Stack, rate: float, seconds: float) -> list[float]:
    """Return the lag of each change, ordered, in milliseconds."""
    mine, others = multiprocessing.Pipe()
    environ = stack.environ
    arguments = (environ["KAFKA_BOOTSTRAP_SERVERS"], stack.changes_topic, int(environ["KAFKA_PARTITIONS"]), others)
    follower = multiprocessing.get_context("spawn").Process(target=follow, args=arguments)
    follower.start()
    mine.recv()
    load(stack, rate, seconds)
    time.sleep(_SETTLE_SECONDS)
    mine.send("stop")
    found: list[float] = sorted(mine.recv())
    follower.join()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=500, help="registrations a second")
    parser.add_argument("--seconds", type=float, default=15, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="with and without the relay, in turns")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    with (
        tempfile.TemporaryDirectory() as directory,
        servers.kafka() as kafka,
        servers.redis() as redis,
        running_stack(kafka.bootstrap, redis.url, Path(directory), **_QUIET) as stack,
    ):
        load(stack, arguments.rate, 3)
        found = lags(stack, arguments.rate, arguments.seconds)
        shares = {name: found[int(len(found) * share)] for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}
        told = ", ".join(f"{name} {lag:.0f} ms" for name, lag in shares.items())
        print(f"lag of {len(found)} changes at {arguments.rate:g} writes/s: {told}, most {found[-1]:.0f} ms")
        waits: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(2 * arguments.rounds):
            relaying = turn % 2 == 0
            if relaying and not stack.relay.pid:
                stack.relay.start()
                stack.relay.wait_ready()
            elif not relaying:
                stack.relay.stop()
            time.sleep(_SETTLE_SECONDS)
            result, wait = load(stack, arguments.rate, arguments.seconds)
            waits[relaying].append(wait)
            name = "with" if relaying else "without"
            print(f"{name} the relay: verdict {wait:.2f} ms (mean), request p50 {result.p50} ms, p99 {result.p99} ms")
        ratio = statistics.median(waits[True]) / statistics.median(waits[False])
        print(f"verdict latency with the relay over without: {ratio:.2f} (medians of {arguments.rounds})")


if __name__ == "__main__":
    main()
